// SPDX-License-Identifier: BSD-3-Clause
// The search of search_host.c from C++: handles in unique_ptr, failures as
// exceptions, batches in vectors.
#include <hnas/hnas.h>

#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

constexpr int n_images = 32, side = 8, n_steps = 60;

template <auto destroy> struct Deleter {
    template <class T> void operator()(T *p) const
    {
        destroy(p);
    }
};

using Context = std::unique_ptr<hnas_context, Deleter<hnas_context_destroy>>;
using Net = std::unique_ptr<hnas_supernet, Deleter<hnas_supernet_destroy>>;
using Hyper = std::unique_ptr<hnas_hyper, Deleter<hnas_hyper_destroy>>;
using Search = std::unique_ptr<hnas_search, Deleter<hnas_search_destroy>>;
using Arch = std::unique_ptr<hnas_arch, Deleter<hnas_arch_destroy>>;
using Tensor = std::unique_ptr<hnas_tensor, Deleter<hnas_tensor_unref>>;

// The library answers a status; its context keeps the words.
void check(const Context &ctx, hnas_status status)
{
    if (status < 0)
        throw std::runtime_error(std::string(hnas_status_name(status)) + ": " +
                                 hnas_context_message(ctx.get()));
}

Context open_context()
{
    hnas_context *ctx = nullptr;

    if (hnas_context_create(&ctx, nullptr) < 0)
        throw std::runtime_error("context: can't be opened");
    return Context(ctx);
}

// A batch in the host's own memory, which the tensors only point at.
class Batch
{
  public:
    explicit Batch(const Context &ctx)
        : pixels_(n_images * side * side), labels_(n_images)
    {
        images_ =
            wrap(ctx, pixels_.data(), HNAS_FLOAT32, {n_images, 1, side, side});
        classes_ = wrap(ctx, labels_.data(), HNAS_INT32, {n_images});
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
    static Tensor wrap(const Context &ctx, void *data, int32_t dtype,
                       const std::vector<int64_t> &dims)
    {
        hnas_array array = {};
        hnas_tensor *tensor = nullptr;

        array.size = sizeof array;
        array.data = data;
        array.dtype = dtype;
        array.rank = static_cast<int32_t>(dims.size());
        for (std::size_t i = 0; i < dims.size(); i++)
            array.dims[i] = dims[i];
        check(ctx, hnas_tensor_wrap(&tensor, ctx.get(), &array));
        return Tensor(tensor);
    }

    std::vector<float> pixels_;
    std::vector<int32_t> labels_;
    Tensor images_, classes_;
};

Net create_net(const Context &ctx)
{
    hnas_supernet_opts opts;
    hnas_supernet *net = nullptr;

    hnas_supernet_opts_init(&opts, sizeof opts);
    opts.image[1] = opts.image[2] = side;
    opts.classes = 2;
    opts.channels = 4;
    opts.cells = 3;
    opts.nodes = 2;
    check(ctx, hnas_supernet_create(&net, ctx.get(), &opts));
    return Net(net);
}

Hyper create_hyper(const Context &ctx, const Net &net)
{
    static const char *const names[] = {"normal", "reduce"};
    hnas_hyper_opts opts;
    hnas_hyper *hyper = nullptr;

    hnas_hyper_opts_init(&opts, sizeof opts);
    opts.n_tables = HNAS_N_KINDS;
    for (int kind = 0; kind < HNAS_N_KINDS; kind++) {
        int32_t n_cells = 0, n_edges = 0, n_ops = 0;

        hnas_supernet_get_kind(net.get(), kind, &n_cells, &n_edges, &n_ops);
        opts.names[kind] = names[kind];
        opts.rows[kind] = n_edges;
        opts.cols[kind] = n_ops;
    }
    check(ctx, hnas_hyper_create(&hyper, ctx.get(), &opts));
    return Hyper(hyper);
}

Search create_search(const Context &ctx, const Net &net, const Hyper &hyper)
{
    hnas_search_opts opts;
    hnas_search *search = nullptr;

    hnas_search_opts_init(&opts, sizeof opts);
    opts.bilevel.total_steps = n_steps;
    check(ctx, hnas_search_create(&search, net.get(), hyper.get(), &opts));
    return Search(search);
}

void query(const Context &ctx, const Search &search, double lambda)
{
    hnas_arch *made = nullptr;
    hnas_cost total, fixed;

    check(ctx,
          hnas_search_derive(&made, search.get(), lambda, HNAS_RULE_ARGMAX));
    const Arch arch(made);
    hnas_arch_get_cost(arch.get(), &total, &fixed);
    std::printf("lambda %g: %lld parameters, %lld MACs\n", lambda,
                static_cast<long long>(total.params),
                static_cast<long long>(total.macs));
}

void run()
{
    std::mt19937 random(0);
    const Context ctx = open_context(); // released last
    const Net net = create_net(ctx);
    const Hyper hyper = create_hyper(ctx, net);
    const Search search = create_search(ctx, net, hyper);
    Batch train(ctx), valid(ctx);
    hnas_step_info info = {};

    for (int i = 0; i < n_steps; i++) {
        train.fill(random);
        valid.fill(random);
        const hnas_batch t = train.get(), v = valid.get();
        check(ctx, hnas_search_step(search.get(), &t, &v, nullptr, 0, &info));
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
