/* SPDX-License-Identifier: Apache-2.0
 *
 * copy: y = x, for any strides and any two element types. Equal types are copied bit by bit. Otherwise values
 * pass through f64 (from reals: exact) or i64 (from integers: exact), and are rounded once, on the way out.
 */
#include "../elements.h"
#include "../reference.h"
#include "../walk.h"

enum { BLOCK = 256 };

static void copy_bits(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n, size_t size)
{
    if (to_step == 1 && from_step == 1) {
        memmove(to, from, (size_t)n * size);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        memmove(to + i * to_step * (int64_t)size, from + i * from_step * (int64_t)size, size);
}

static void convert(const struct tl_view *y, char *to, int64_t to_step, const struct tl_view *x, const char *from,
                    int64_t from_step, int64_t n)
{
    union {
        double real[BLOCK];
        int64_t whole[BLOCK];
    } block;
    const int64_t to_size = (int64_t)tl_dtype_size(y->dtype), from_size = (int64_t)tl_dtype_size(x->dtype);
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t some = n - i < BLOCK ? n - i : BLOCK;
        const char *source = from + i * from_step * from_size;
        char *target = to + i * to_step * to_size;
        if (tl_dtype_is_float(x->dtype)) {
            read_double(block.real, x->dtype, source, from_step, some);
            write_double(y->dtype, target, to_step, block.real, some);
        } else {
            read_int64_t(block.whole, x->dtype, source, from_step, some);
            write_int64_t(y->dtype, target, to_step, block.whole, some);
        }
    }
}

static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan, (void)workspace;
    const struct tl_view *x = &call->in[0], *y = &call->out[0];
    const size_t to_size = tl_dtype_size(y->dtype), from_size = tl_dtype_size(x->dtype);
    struct walk w;
    walk_start(&w, y->ndim, y->shape);
    walk_operand(&w, y->stride, 0);
    walk_operand(&w, x->stride, 0);
    for (int64_t row = 0; row < w.rows; row++, walk_next(&w)) {
        char *to = (char *)output(call, 0) + w.at[0] * (int64_t)to_size;
        const char *from = (const char *)input(call, 0) + w.at[1] * (int64_t)from_size;
        if (x->dtype == y->dtype)
            copy_bits(to, w.step[0], from, w.step[1], w.n, to_size);
        else
            convert(y, to, w.step[0], x, from, w.step[1], w.n);
    }
    return TL_OK;
}

SIMPLE_KERNEL(copy, TL_KERNEL_STRIDED, NULL, NULL, run);
