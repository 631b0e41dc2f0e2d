/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices and layouts: operands of one call, and threads, that want one tensor in several layouts; tensors of two devices in one call;
 * and an end while a queue still works. On the default backend, and on the opaque one.
 */
#include <pthread.h>
#include <sys/stat.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/telar-devices-XXXXXX";

static tl_tensor *ramp(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < ndim; i++)
        n *= shape[i];
    return tl_reshape(tl_div(tl_arange(0, (double)n, 1, (struct tl_options){.dtype = TL_F32, .device = "cpu"}), tl_scalar((double)n)), ndim, shape);
}

/* As input and as weight, which kernels like to have in different layouts. */
static void one_tensor_twice(void)
{
    tl_tensor *x = ramp(TL_SHAPE(16, 16, 3, 3));
    tl_tensor *a = tl_conv2d(x, x, TL_NONE, .padding = {1}), *b = tl_conv2d(x, tl_clone(x), TL_NONE, .padding = {1});
    ok(tl_allclose(a, b, 1e-5, 1e-5), "conv2d of a tensor with itself");
}

enum { THREADS = 4, ROUNDS = 30 };

static tl_tensor *weight, *inputs[THREADS], *expected[THREADS];

static void *convolve(void *p)
{
    size_t k = (size_t)(uintptr_t)p;
    for (int i = 0; i < ROUNDS; i++)
        TL_SCOPE
        {
            if (!tl_allclose(tl_conv2d(inputs[k], weight, TL_NONE, .padding = {1}), expected[k], 1e-4, 1e-4))
                return p ? p : &weight;
        }
    return NULL;
}

/* Each has a shape of its own, for which the weight is packed in its own way. */
static void threads_share_a_weight(void)
{
    pthread_t threads[THREADS];
    weight = ramp(TL_SHAPE(32, 32, 3, 3));
    for (int k = 0; k < THREADS; k++) {
        int64_t size = (int64_t[]){14, 7, 28, 1}[k];
        inputs[k] = ramp(TL_SHAPE(k == 0 ? 4 : 1, 32, size, size));
        expected[k] = tl_conv2d(inputs[k], tl_clone(weight), TL_NONE, .padding = {1});
        tl_data(expected[k]);
    }
    for (int k = 0; k < THREADS; k++)
        pthread_create(&threads[k], NULL, convolve, (void *)(uintptr_t)k);
    int wrong = 0;
    for (int k = 0; k < THREADS; k++) {
        void *r;
        pthread_join(threads[k], &r);
        wrong += r != NULL;
    }
    is_int(wrong, 0, "%d threads convolve with one weight", THREADS);
}

static void two_devices(void)
{
    tl_tensor *here = tl_full(TL_SHAPE0, 1, (struct tl_options){.device = "cpu"});
    tl_tensor *there = tl_to_device(tl_full(TL_SHAPE0, 2, (struct tl_options){.device = "cpu"}), "opaque"), *out[1];
    ok(tl_add_(here, there) == NULL && tl_error_code() == TL_ERR_DEVICE, "a number of the host is not written by a device");
    contains(tl_error_message(), "the tensor written on cpu", "and both are named");
    tl_error_clear();
    is_int(tl_op_call_into(tl_op_find("copy"), NULL, &there, 1, &here, out), TL_ERR_DEVICE, "nor by any other op");
    ok(out[0] == NULL, "which leaves no result");
    tl_error_clear();
    is_float(tl_item(here), 1, 0, "it is as it was");
    is_float(tl_item(tl_add(here, there)), 3, 0, "as an operand it travels");
    tl_tensor *row = tl_to_device(ramp(TL_SHAPE(100)), "opaque"), *copy = tl_clone(row);
    ok(tl_equal(copy, row) && !tl_shares_storage(copy, row), "values are copied on a device");
}

int main(void)
{
    char path[600], built[600];
    if (!mkdtemp(root))
        return skip_all("no temporary folder");
    snprintf(path, sizeof path, "%s/backends", root);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/backends/opaque.so", root);
    snprintf(built, sizeof built, "%s/tests/opaque/.libs/opaque.so", TEST_BUILDDIR);
    if (symlink(built, path) != 0)
        bail_out("cannot link the opaque backend");
    setenv("TELAR_PLUGIN_PATH", root, 1);
    one_tensor_twice();
    threads_share_a_weight();
    ok(tl_set_backend("opaque") == TL_OK, "the opaque backend opens");
    one_tensor_twice();
    two_devices();
    is_string(tl_error_message(), "", "no error is left over");
    TL_SCOPE
    {
        tl_tensor *x = tl_to_device(ramp(TL_SHAPE(8, 8, 24, 24)), "opaque"), *w = tl_to_device(ramp(TL_SHAPE(8, 8, 3, 3)), "opaque");
        for (int i = 0; i < 10; i++)
            tl_conv2d(x, w, TL_NONE);
    }
    tl_shutdown();
    pass("an end while the queue still works");
    snprintf(path, sizeof path, "rm -rf '%s'", root);
    if (system(path) != 0)
        diag("the temporary folder stays");
    return done_testing();
}
