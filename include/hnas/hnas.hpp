// SPDX-License-Identifier: BSD-3-Clause
/**
 * @file hnas.hpp
 * Handles that release themselves, statuses as exceptions, for C++17.
 *
 *     hnas::Context ctx = hnas::context();
 *     auto opts = hnas::options(hnas_supernet_opts_init);
 *     auto net = hnas::make<hnas::Supernet>(ctx, hnas_supernet_create, ctx,
 *                                           &opts);
 *
 * Only a convenience over hnas.h: a handle is a std::unique_ptr, and get()
 * gives what the C calls take.  Nothing here is part of the ABI.  Declare the
 * context first, so that it is released last.  An exception must not leave a
 * callback: answer a status there.
 */
#ifndef HNAS_HNAS_HPP
#define HNAS_HNAS_HPP

#include "hnas.h"

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace hnas
{

/// A call that failed: the status, and the line that its context kept.
class Error : public std::runtime_error
{
  public:
    /// `message` may be empty or NULL.
    Error(hnas_status status, const char *message)
        : std::runtime_error(std::string(hnas_status_name(status)) + ": " +
                             (message ? message : "")),
          status_(status)
    {
    }

    /// The negative hnas_status.
    hnas_status status() const noexcept
    {
        return status_;
    }

  private:
    hnas_status status_;
};

/// Gives a handle back.
template <class T, void (*release)(T *)> struct Release {
    /// Called by the owner.
    void operator()(T *handle) const noexcept
    {
        release(handle);
    }
};

/// Sole owner of a handle.
template <class T, void (*release)(T *)>
using Handle = std::unique_ptr<T, Release<T, release>>;

/// Owns a discrete architecture.
using Arch = Handle<hnas_arch, hnas_arch_destroy>;
/// Owns a batch iterator.
using Batches = Handle<hnas_batches, hnas_batches_destroy>;
/// Owns a bilevel optimizer.
using Bilevel = Handle<hnas_bilevel, hnas_bilevel_destroy>;
/// Owns a cell.
using Cell = Handle<hnas_cell, hnas_cell_destroy>;
/// Owns what all belong to.
using Context = Handle<hnas_context, hnas_context_destroy>;
/// Owns images and labels.
using Dataset = Handle<hnas_dataset, hnas_dataset_destroy>;
/// Owns a hypernetwork.
using Hyper = Handle<hnas_hyper, hnas_hyper_destroy>;
/// Owns a discrete network.
using Model = Handle<hnas_model, hnas_model_destroy>;
/// Owns a batch-norm's state.
using Norm = Handle<hnas_norm, hnas_norm_destroy>;
/// Owns one operation alone.
using Op = Handle<hnas_op, hnas_op_destroy>;
/// Owns an optimizer.
using Optim = Handle<hnas_optim, hnas_optim_destroy>;
/// Owns architectures of a range.
using Path = Handle<hnas_path, hnas_path_destroy>;
/// Owns a frozen network.
using Predictor = Handle<hnas_predictor, hnas_predictor_destroy>;
/// Owns a search.
using Search = Handle<hnas_search, hnas_search_destroy>;
/// Owns the networks of a path.
using Set = Handle<hnas_set, hnas_set_destroy>;
/// Owns what is searched.
using Supernet = Handle<hnas_supernet, hnas_supernet_destroy>;
/// Owns a record.
using Tape = Handle<hnas_tape, hnas_tape_destroy>;
/// Owns one reference.
using Tensor = Handle<hnas_tensor, hnas_tensor_unref>;

/// Pass a status on, or throw Error with the context's message.
inline hnas_status check(const Context &ctx, hnas_status status)
{
    if (status < 0)
        throw Error(status, hnas_context_message(ctx.get()));
    return status;
}

/// The same with a predictor's own message.
inline hnas_status check(const Predictor &predictor, hnas_status status)
{
    if (status < 0)
        throw Error(status, hnas_predictor_message(predictor.get()));
    return status;
}

/// The defaults of an options struct, by its init function.
template <class T> T options(void (*init)(T *, std::size_t))
{
    T opts;

    init(&opts, sizeof opts);
    return opts;
}

/// Open a context; NULL: with the defaults.
inline Context context(const hnas_context_opts *opts = nullptr)
{
    hnas_context *made = nullptr;
    const hnas_status status = hnas_context_create(&made, opts);

    if (status < 0)
        throw Error(status, "a context can't be opened with these options");
    return Context(made);
}

/// What a C call takes for an argument: of a handle the pointer.
template <class T, class D> T *raw(const std::unique_ptr<T, D> &handle)
{
    return handle.get();
}

/// Anything else as it is.
template <class T> T raw(T value)
{
    return value;
}

/// Call what makes an H, with handles or plain arguments behind its output.
/// told: the Context, or the Predictor, that a failure leaves its message in.
template <class H, class Told, class... P, class... A>
H make(const Told &told,
       hnas_status (*call)(typename H::element_type **, P...),
       const A &...arguments)
{
    typename H::pointer made = nullptr;

    check(told, call(&made, raw(arguments)...));
    return H(made);
}

/// A tensor over contiguous numbers of the host's, read where they lie.
template <class Number>
Tensor wrap(const Context &ctx, Number *data,
            std::initializer_list<int64_t> dims)
{
    constexpr bool is_float = std::is_same_v<Number, float>;
    constexpr bool is_byte = std::is_same_v<Number, uint8_t>;
    hnas_array array = {};

    static_assert(is_float || is_byte || std::is_same_v<Number, int32_t>,
                  "the library takes float, int32_t and uint8_t");
    if (dims.size() > HNAS_MAX_RANK)
        throw Error(HNAS_E_SHAPE, "wrap: more dims than HNAS_MAX_RANK");
    array.size = sizeof array;
    array.data = data;
    array.dtype = is_float ? HNAS_FLOAT32 : is_byte ? HNAS_UINT8 : HNAS_INT32;
    for (const int64_t n : dims)
        array.dims[array.rank++] = n;
    return make<Tensor>(ctx, hnas_tensor_wrap, ctx, &array);
}

} // namespace hnas

#endif
