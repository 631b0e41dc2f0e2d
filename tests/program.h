/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of programs: a function of tensors is called a few times as it is, and run as often as a program; both must give the same bits.
 */
#ifndef TELAR_TESTS_PROGRAM_H
#define TELAR_TESTS_PROGRAM_H

#include <telar/telar.h>

#include "tests/opaque/show.h"

/* Are shape, type and every bit the same? Says what differs. */
__attribute__((unused)) static bool same_bits(tl_tensor *a, tl_tensor *b, const char *what)
{
    if (!a || !b || tl_is_none(a) || tl_is_none(b)) {
        if (a == b)
            return a != NULL;
        diag("%s: one of two tensors is missing", what);
        return false;
    }
    size_t size = tl_dtype_size(tl_dtype_of(a)), bytes = (size_t)tl_numel(a) * size;
    if (tl_dtype_of(a) != tl_dtype_of(b) || tl_ndim(a) != tl_ndim(b) ||
        (tl_ndim(a) && memcmp(tl_shape(a), tl_shape(b), (size_t)tl_ndim(a) * sizeof(int64_t)) != 0)) {
        diag("%s: shapes or types differ", what);
        return false;
    }
    unsigned char *x = calloc(2, bytes + 1), *y = x ? x + bytes : NULL;
    if (!x || tl_copy_out(a, tl_dtype_of(a), x, bytes) != TL_OK || tl_copy_out(b, tl_dtype_of(b), y, bytes) != TL_OK)
        bail_out("%s: cannot read a tensor: %s", what, tl_error_message());
    size_t at = 0;
    while (at < bytes && x[at] == y[at])
        at++;
    if (at < bytes) {
        double u = 0, v = 0;
        TL_SCOPE
        {
            int64_t i = (int64_t)(at / size);
            u = tl_item(tl_select(tl_cast(tl_reshape(a, 1, (int64_t[]){-1}), TL_F64), 0, i));
            v = tl_item(tl_select(tl_cast(tl_reshape(b, 1, (int64_t[]){-1}), TL_F64), 0, i));
        }
        diag("%s: element %zu is %.9g, and %.9g as a program", what, at / size, u, v);
    }
    free(x);
    return at == bytes;
}

/* The backends on which programs are tested. The opaque one has handles for memory, and computes later. */
static const char *const program_backends[] = {"cpu", "reference", "opaque"};

/* Call `test` with each of them as the default device. */
__attribute__((unused)) static void on_each_backend(void (*test)(const char *backend))
{
    char folder[] = "/tmp/telar-program-XXXXXX";
    show_opaque_backend(folder);
    for (size_t i = 0; i < sizeof program_backends / sizeof *program_backends; i++) {
        if (tl_set_backend(program_backends[i]) != TL_OK) {
            fail("%s: %s", program_backends[i], tl_error_message());
            tl_error_clear();
            continue;
        }
        TL_SCOPE test(program_backends[i]);
        if (tl_error_code() != TL_OK) {
            fail("%s: an error is left: %s", program_backends[i], tl_error_message());
            tl_error_clear();
        }
    }
    remove_folder(folder);
}

#endif
