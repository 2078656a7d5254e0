// SPDX-License-Identifier: BSD-3-Clause
// The search of search_host.c from C++ through hnas.hpp: handles that release
// themselves, failures as exceptions, batches in vectors.
#include <hnas/hnas.hpp>

#include <cstdio>
#include <random>
#include <vector>

namespace
{

constexpr int n_images = 32, side = 8, n_steps = 60;

// A batch in the host's own memory, which the tensors only point at.
class Batch
{
  public:
    explicit Batch(const hnas::Context &ctx)
        : pixels_(n_images * side * side), labels_(n_images),
          images_(hnas::wrap(ctx, pixels_.data(), {n_images, 1, side, side})),
          classes_(hnas::wrap(ctx, labels_.data(), {n_images}))
    {
    }

    // A bright bar in noise, horizontal or vertical.
    void fill(std::mt19937 &random)
    {
        std::uniform_real_distribution<float> noise(-0.5f, 0.5f);
        std::uniform_int_distribution<int> position(0, side - 1), coin(0, 1);

        for (float &pixel : pixels_)
            pixel = noise(random);
        for (int n = 0; n < n_images; n++) {
            const int label = coin(random), at = position(random);

            labels_[n] = label;
            for (int i = 0; i < side; i++)
                pixels_[(n * side + (label ? i : at)) * side +
                        (label ? at : i)] += 1;
        }
    }

    hnas_batch get() const
    {
        return {images_.get(), classes_.get()};
    }

  private:
    std::vector<float> pixels_;
    std::vector<int32_t> labels_;
    hnas::Tensor images_, classes_;
};

hnas::Supernet create_net(const hnas::Context &ctx)
{
    auto opts = hnas::options(hnas_supernet_opts_init);

    opts.image[1] = opts.image[2] = side;
    opts.classes = 2;
    opts.channels = 4;
    opts.cells = 3;
    opts.nodes = 2;
    return hnas::make<hnas::Supernet>(ctx, hnas_supernet_create, ctx, &opts);
}

hnas::Hyper create_hyper(const hnas::Context &ctx, const hnas::Supernet &net)
{
    auto opts = hnas::options(hnas_hyper_opts_init);

    hnas_supernet_fit_hyper(net.get(), &opts);
    return hnas::make<hnas::Hyper>(ctx, hnas_hyper_create, ctx, &opts);
}

hnas::Search create_search(const hnas::Context &ctx, const hnas::Supernet &net,
                           const hnas::Hyper &hyper)
{
    auto opts = hnas::options(hnas_search_opts_init);

    opts.bilevel.total_steps = n_steps;
    return hnas::make<hnas::Search>(ctx, hnas_search_create, net, hyper, &opts);
}

void query(const hnas::Context &ctx, const hnas::Search &search, double lambda)
{
    const hnas::Arch arch = hnas::make<hnas::Arch>(
        ctx, hnas_search_derive, search, lambda, int32_t{HNAS_RULE_ARGMAX});
    hnas_cost total, fixed;

    hnas_arch_get_cost(arch.get(), &total, &fixed);
    std::printf("lambda %g: %lld parameters, %lld MACs\n", lambda,
                static_cast<long long>(total.params),
                static_cast<long long>(total.macs));
}

void run()
{
    std::mt19937 random(0);
    const hnas::Context ctx = hnas::context(); // released last
    const hnas::Supernet net = create_net(ctx);
    const hnas::Hyper hyper = create_hyper(ctx, net);
    const hnas::Search search = create_search(ctx, net, hyper);
    Batch train(ctx), valid(ctx);
    hnas_step_info info = {};

    for (int i = 0; i < n_steps; i++) {
        train.fill(random);
        valid.fill(random);
        const hnas_batch t = train.get(), v = valid.get();
        hnas::check(ctx,
                    hnas_search_step(search.get(), &t, &v, nullptr, 0, &info));
    }
    std::printf("loss %.3f after %d steps\n", info.train_loss, n_steps);
    query(ctx, search, 1e-4);
    query(ctx, search, 1e-1);
}

} // namespace

int main()
{
    try {
        run();
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
    return 0;
}
