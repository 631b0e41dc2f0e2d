/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfer learning: freezing by name, features that are computed once, and pictures in another size.
 */
#include <telar/nn.h>

#include "tests/tap.h"

static tl_module *network(void)
{
    tl_manual_seed(3);
    tl_module *first = tl_nn_linear(6, 8), *relu = tl_nn_relu(), *second = tl_nn_linear(8, 4), *last = tl_nn_linear(4, 3);
    return TL_SEQUENTIAL(TL_SEQUENTIAL(first, relu), second, last);
}

static bool trains(tl_module *m, const char *name)
{
    return tl_requires_grad(tl_module_get(m, name));
}

static void test_freezing(void)
{
    tl_module *m = network();
    size_t n = 0;
    is_int(tl_module_freeze(m, "*", &n), TL_OK, "all parameters are frozen by *");
    is_int((long long)n, 6, "all six");
    ok(!trains(m, "0.0.weight") && !trains(m, "2.bias"), "none requires a gradient");
    is_int(tl_module_unfreeze(m, "0.*,2.weight", &n), TL_OK, "some are trained again, * matching dots");
    is_int((long long)n, 3, "those that match");
    ok(trains(m, "0.0.bias") && trains(m, "2.weight") && !trains(m, "2.bias") && !trains(m, "1.weight"), "and no others");
    is_int(tl_module_freeze(m, "0.*,3.*", NULL), TL_ERR_NOT_FOUND, "a pattern that matches nothing is refused");
    contains(tl_error_message(), "matches \"3.*\"", "the message names it");
    ok(trains(m, "0.0.weight"), "and nothing was changed");
    tl_error_clear();
    is_int(tl_module_freeze(m, "", NULL), TL_ERR_ARGUMENT, "so is no pattern");
    tl_error_clear();
    TL_SCOPE {
        tl_module_freeze(m, "*", NULL);
        tl_module_unfreeze(m, "2.*", NULL);
        tl_tensor *y = tl_forward(m, tl_randn(TL_SHAPE(5, 6), (struct tl_options){0}));
        is_int(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}), TL_OK, "what is left is trained");
        ok(!tl_is_none(tl_grad_of(tl_module_get(m, "2.weight"))) && tl_is_none(tl_grad_of(tl_module_get(m, "1.weight"))),
           "and only it has a gradient");
    }
    tl_module_free(m);
}

static tl_tensor *halve(tl_tensor *x, void *ctx)
{
    ++*(int *)ctx;
    return tl_mul_s(x, 0.5);
}

enum { SAMPLES = 21, EPOCHS = 2 };

/* Train the last layer, on features or through the whole network: the final weights of that layer, kept. */
static tl_tensor *train_last(tl_dataset *d, bool on_features)
{
    int calls = 0;
    tl_tensor *weights = NULL;
    tl_module *m = network();
    tl_module_freeze(m, "0.*,1.*", NULL);
    tl_dataset *features = on_features ? tl_features(m, "2", d, .batch = 4, .prepare = halve, .function_ctx = &calls) : NULL;
    tl_module *trained = on_features ? tl_module_child(m, "2") : m;
    tl_loader *loader = tl_loader_new(on_features ? features : d, .batch_size = 7, .shuffle = true);
    tl_optimizer *o = tl_sgd(trained, 0.1, .momentum = 0.9);
    if (on_features) {
        is_int(calls, 6, "21 samples are 6 batches of 4");
        is_int(tl_dataset_size(features), SAMPLES, "a feature for each sample");
        is_int(tl_dataset_info(features)->shape[0], 4, "of the size of what reaches the layer");
        is_int(tl_dataset_info(features)->n_fields, 2, "and the labels");
        ok(tl_is_training(m), "the mode is restored");
    }
    tl_manual_seed(9);
    tl_status s = tl_fit(trained, loader, o, .epochs = EPOCHS, .prepare = on_features ? NULL : halve, .function_ctx = &calls);
    is_int(s, TL_OK, "trained %s", on_features ? "on features" : "through the network");
    TL_SCOPE weights = tl_keep(tl_clone(tl_detach(tl_module_get(m, "2.weight"))));
    tl_optimizer_free(o);
    tl_loader_free(loader);
    tl_dataset_free(features);
    tl_module_free(m);
    return weights;
}

static tl_tensor *forward_twice(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    return tl_forward_child(m, "a", tl_forward_child(m, "a", x));
}

static void test_features(void)
{
    TL_SCOPE {
        tl_manual_seed(5);
        tl_tensor *x = tl_randn(TL_SHAPE(SAMPLES, 6), (struct tl_options){0}),
                  *labels = tl_randint(0, 3, TL_SHAPE(SAMPLES), (struct tl_options){.dtype = TL_I64});
        tl_dataset *d = tl_tensor_dataset(2, (tl_tensor *[]){x, labels});
        tl_tensor *a = tl_scope_adopt(train_last(d, true)), *b = tl_scope_adopt(train_last(d, false));
        ok(tl_equal(a, b), "both ways end with the same weights");
        tl_module *twice = tl_module_from("Twice", forward_twice, NULL);
        tl_module_add(twice, "a", tl_nn_linear(6, 6));
        ok(!tl_features(twice, "a", d), "a layer that is applied twice has no one input");
        contains(tl_error_message(), "applied 2 times", "the message says so");
        tl_error_clear();
        ok(!tl_features(twice, "b", d), "nor has one that is not there");
        is_int(tl_error_code(), TL_ERR_NOT_FOUND, "which is said");
        tl_error_clear();
        tl_module_free(twice);
        tl_dataset_free(d);
    }
}

/* torch.nn.functional.interpolate((arange(35) * 7 % 11).reshape(1, 1, 5, 7), size, mode="bilinear", antialias=True) of PyTorch 2.15. */
static const struct {
    int64_t height, width;
    float expected[20];
} resized[] = {
    {3, 4, {3.265306f, 5.640000f, 4.691429f, 5.306122f, 5.693121f, 4.857778f, 5.124444f, 4.624338f, 4.986393f, 4.068572f, 5.571428f, 3.959183f}},
    {2, 10, {4.500000f, 4.225000f, 4.250000f, 4.950000f, 6.300000f, 5.775001f, 3.525000f, 3.875000f, 4.900000f, 6.000000f,
             7.000000f, 4.800000f, 3.250000f, 3.950000f, 5.300000f, 6.175000f, 6.325001f, 3.875000f, 3.899999f, 5.000000f}},
};

static void test_resizing(void)
{
    TL_SCOPE {
        tl_tensor *x = tl_empty(TL_SHAPE(1, 1, 5, 7), (struct tl_options){0});
        float *p = tl_data_mut(x);
        for (int i = 0; i < 35; i++)
            p[i] = (float)(i * 7 % 11);
        for (size_t k = 0; k < sizeof resized / sizeof *resized; k++) {
            tl_tensor *y = tl_image_resize(x, resized[k].height, resized[k].width);
            double largest = 0;
            const float *got = y ? tl_data(y) : NULL;
            for (int i = 0; got && i < resized[k].height * resized[k].width; i++)
                largest = fmax(largest, fabs(got[i] - resized[k].expected[i]));
            ok(got && largest < 2e-6, "5 x 7 to %d x %d as PyTorch: %g", (int)resized[k].height, (int)resized[k].width, largest);
        }
        tl_tensor *bytes = tl_image_resize(tl_cast(x, TL_U8), 10, 14);
        is_int(tl_dtype_of(bytes), TL_F32, "bytes become f32");
        is_int(tl_size(bytes, 2), 10, "higher");
        is_int(tl_size(bytes, 3), 14, "and wider");
        ok(tl_image_resize(x, 5, 7) == x, "a picture of that size is left alone");
        ok(!tl_image_resize(x, 0, 7), "a size of 0 is refused");
        is_int(tl_error_code(), TL_ERR_ARGUMENT, "as an argument");
        tl_error_clear();
        ok(!tl_image_resize(tl_zeros(TL_SHAPE(3), (struct tl_options){0}), 2, 2), "so is what is no picture");
        is_int(tl_error_code(), TL_ERR_SHAPE, "by its shape");
        tl_error_clear();
    }
}

int main(void)
{
    test_freezing();
    test_features();
    test_resizing();
    return done_testing();
}
