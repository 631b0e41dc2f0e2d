/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients between devices: what moved there comes back, also from the middle of a graph and into a region of a tensor elsewhere. The
 * other device is the opaque backend.
 */
#include <telar/telar.h>

#include "tests/opaque/show.h"
#include "tests/tap.h"

static float at(tl_tensor *t, int i)
{
    const float *p = tl_data(t);
    return p ? p[i] : NAN;
}

int main(void)
{
    char folder[] = "/tmp/telar-test-XXXXXX";
    const struct tl_backward_options once = {0};
    show_opaque_backend(folder);
    tl_tensor *x = tl_set_requires_grad(tl_tensor_f32(TL_SHAPE(2), 1, 2), true), *there = tl_to_device(tl_mul_s(x, 2), "opaque");
    ok(tl_backward(tl_sum(tl_mul(there, there)), TL_NONE, once) == TL_OK, "a result moves to another device, and its gradient back");
    is_float(at(tl_grad_of(x), 1), 16, 0, "d (2 x)^2 = 8 x");
    tl_set_grad(x, TL_NONE);
    tl_tensor *base = tl_to_device(tl_zeros(TL_SHAPE(3, 2), (struct tl_options){0}), "opaque"), *row = tl_select(base, 0, 1);
    tl_copy_(row, tl_mul_s(x, 3));
    tl_mul_(row, row);
    ok(tl_backward(tl_sum(base), TL_NONE, once) == TL_OK, "so does one that was copied into a region over there");
    is_float(at(tl_grad_of(x), 1), 36, 0, "d (3 x)^2 = 18 x");
    is_int(tl_backward(tl_sum(tl_mul_s(x, 1)), tl_to_device(tl_scalar(1), "opaque"), once), TL_ERR_DEVICE, "a gradient on the wrong device is refused");
    contains(tl_error_message(), "tl_to_device()", "and the message says what to do");
    tl_error_clear();
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    remove_folder(folder);
    return done_testing();
}
