/* SPDX-License-Identifier: BSD-3-Clause */
/* The same pass as consumer.c, from C++. */
#include <hnas/hnas.h>

#include <cstdio>
#include <memory>
#include <vector>

namespace
{
template <typename T> struct Closer {
    void (*close)(T *);
    void operator()(T *p) const
    {
        close(p);
    }
};

template <typename T>
std::unique_ptr<T, Closer<T>> own(T *p, void (*close)(T *))
{
    return std::unique_ptr<T, Closer<T>>(p, Closer<T>{close});
}

hnas_tensor *filled(hnas_context *ctx, const std::vector<int64_t> &dims,
                    const std::vector<float> &value)
{
    hnas_tensor *t = nullptr;

    if (hnas_tensor_create(&t, ctx, HNAS_FLOAT32,
                           static_cast<int32_t>(dims.size()), dims.data()) < 0)
        return nullptr;
    hnas_tensor_set(t, HNAS_FLOAT32, value.data(),
                    static_cast<int64_t>(value.size()));
    return t;
}
} // namespace

int main()
{
    hnas_context *c = nullptr;
    hnas_supernet *n = nullptr;
    hnas_tape *t = nullptr;
    hnas_tensor *y = nullptr, *gates[2] = {nullptr, nullptr};
    hnas_supernet_opts opts;
    std::vector<float> pixels(128), logits(6);
    double sum = 0;

    if (hnas_context_create(&c, nullptr) < 0)
        return 1;
    auto ctx = own(c, hnas_context_destroy);
    hnas_supernet_opts_init(&opts, sizeof opts);
    opts.image[1] = opts.image[2] = 8;
    opts.classes = 3;
    opts.channels = 4;
    opts.cells = 3;
    opts.nodes = 2;
    if (hnas_supernet_create(&n, c, &opts) < 0 || hnas_tape_create(&t, c) < 0)
        return 1;
    auto net = own(n, hnas_supernet_destroy);
    auto tape = own(t, hnas_tape_destroy);
    for (int32_t k = 0; k < HNAS_N_KINDS; k++) {
        int32_t e = 0, o = 0;

        hnas_supernet_get_kind(n, k, nullptr, &e, &o);
        gates[k] = filled(c, {e, o},
                          std::vector<float>(static_cast<size_t>(e * o),
                                             1.0f / static_cast<float>(o)));
    }
    for (size_t i = 0; i < pixels.size(); i++)
        pixels[i] = static_cast<float>(i % 7) - 3.0f;
    auto x = own(filled(c, {2, 1, 8, 8}, pixels), hnas_tensor_unref);
    auto normal = own(gates[0], hnas_tensor_unref);
    auto reduce = own(gates[1], hnas_tensor_unref);
    if (!x || !normal || !reduce ||
        hnas_supernet_apply(&y, t, n, x.get(), gates, 0) < 0)
        return 1;
    auto out = own(y, hnas_tensor_unref);
    if (hnas_tensor_get(y, HNAS_FLOAT32, logits.data(), 6) < 0)
        return 1;
    for (float v : logits)
        sum += v;
    std::printf("%s %.4f\n", hnas_version(), sum);
    return 0;
}
