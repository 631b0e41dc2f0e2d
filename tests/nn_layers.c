/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers against PyTorch: initial weights after the same seed, the printed text, outputs in training and evaluation,
 * gradients of parameters, running statistics. Numbers: tests/golden/make_nn.py.
 */
#include "golden.h"
#include "nn_cases.h"

static void test_init(void)
{
    FILE *f = golden_open("nn_init.txt");
    char name[64], key[64], before[64] = "", what[192];
    tl_module *m = NULL;
    while (golden_word(f, name, sizeof name) && golden_word(f, key, sizeof key)) {
        if (strcmp(name, before) != 0) {
            tl_module_free(m);
            tl_manual_seed(42);
            m = make_case(name);
            if (!m)
                diag("%s: %s", name, tl_error_message());
            snprintf(before, sizeof before, "%s", name);
        }
        tl_tensor *t = tl_module_get(m, key);
        int ndim = (int)golden_integer(f);
        bool same = t && tl_ndim(t) == ndim;
        for (int i = 0; i < ndim; i++) {
            int64_t size = golden_integer(f);
            same = same && tl_shape(t)[i] == size;
        }
        ok(same, "%s: shape of %s", name, key);
        snprintf(what, sizeof what, "%s: initial %s", name, key);
        golden_tensor(f, t, 2e-6, what);
        tl_error_clear();
    }
    tl_module_free(m);
    fclose(f);
}

static void test_truncated(void)
{
    FILE *f = golden_open("nn_truncated.txt");
    char word[64], what[120];
    while (golden_word(f, word, sizeof word)) {
        double mean = strtod(word, NULL), std = golden_number(f), low = golden_number(f), high = golden_number(f);
        int64_t rows = golden_integer(f), columns = golden_integer(f);
        snprintf(what, sizeof what, "normal of %g, %g within [%g, %g]", mean, std, low, high);
        tl_manual_seed(3);
        TL_SCOPE {
            tl_tensor *t = tl_empty(TL_SHAPE(rows, columns), (struct tl_options){0});
            ok(tl_init_trunc_normal(t, mean, std, low, high) == TL_OK, "%s: drawn", what);
            golden_tensor(f, t, 2e-6, what);
        }
        tl_error_clear();
    }
    fclose(f);
    static const double bad[][4] = {{0, 0, -1, 1}, {0, 1, 1, 1}, {NAN, 1, -1, 1}, {0, 1, -1, INFINITY}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        TL_SCOPE {
            tl_tensor *t = tl_ones(TL_SHAPE(2), (struct tl_options){0});
            tl_status s = tl_init_trunc_normal(t, bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
            ok(s == TL_ERR_ARGUMENT && ((float *)tl_data(t))[1] == 1, "a distribution that cannot be cut: %s", tl_error_message());
        }
        tl_error_clear();
    }
}

static void test_print(void)
{
    FILE *f = golden_open("nn_print.txt");
    char name[64], line[512];
    while (golden_word(f, name, sizeof name)) {
        int lines = (int)golden_integer(f);
        char want[8192] = "";
        if (!fgets(line, sizeof line, f))
            bail_out("nn_print.txt ends too early");
        for (int i = 0; i < lines && fgets(line, sizeof line, f); i++)
            strncat(want, line, sizeof want - strlen(want) - 1);
        if (*want)
            want[strlen(want) - 1] = 0;
        tl_module *m = make_case(name);
        char *text = tl_module_to_string(m);
        is_string(text, want, "%s prints as PyTorch's", name);
        free(text);
        tl_module_free(m);
        tl_error_clear();
    }
    fclose(f);
}

static tl_tensor *input;

static void forward_line(FILE *f, tl_module *m, const char *name)
{
    char kind[32], key[64], what[192];
    golden_word(f, kind, sizeof kind);
    if (strcmp(kind, "input") == 0) {
        int64_t shape[TL_MAX_DIMS];
        int ndim = (int)golden_integer(f);
        for (int i = 0; i < ndim; i++)
            shape[i] = golden_integer(f);
        tl_release(input);
        input = tl_keep(tl_mul_s(tl_randn(ndim, shape, (struct tl_options){0}), 2));
        return;
    }
    snprintf(what, sizeof what, "%s: %s", name, kind);
    if (strcmp(kind, "first") == 0 || strcmp(kind, "eval") == 0) {
        if (*kind == 'e')
            tl_eval(m);
        tl_tensor *y = tl_forward(m, tl_clone(input));
        golden_tensor(f, y, 5e-6, what);
        if (*kind == 'f' && tl_module_parameter_list(m, NULL, 0) > 0) {
            y = tl_forward(m, tl_clone(input));
            tl_tensor *weights = tl_reshape(tl_linspace(-1, 1, tl_numel(y), (struct tl_options){0}), tl_ndim(y), tl_shape(y));
            if (tl_backward(tl_sum(tl_mul(y, weights)), TL_NONE, (struct tl_backward_options){0}) != TL_OK)
                fail("%s: backward: %s", name, tl_error_message());
        }
        return;
    }
    golden_word(f, key, sizeof key);
    snprintf(what, sizeof what, "%s: %s %s", name, kind, key);
    tl_tensor *t = tl_module_get(m, key);
    golden_tensor(f, strcmp(kind, "grad") == 0 ? tl_grad_of(t) : t, 2e-5, what);
}

static void test_forward(void)
{
    FILE *f = golden_open("nn_forward.txt");
    char name[64], before[64] = "";
    tl_module *m = NULL;
    while (golden_word(f, name, sizeof name)) {
        TL_SCOPE
        {
            if (strcmp(name, before) != 0) {
                tl_module_free(m);
                tl_manual_seed(7);
                m = make_case(name);
                snprintf(before, sizeof before, "%s", name);
            }
            forward_line(f, m, name);
            if (tl_error_code() != TL_OK)
                diag("%s: %s", name, tl_error_message());
            tl_error_clear();
        }
    }
    tl_release(input);
    tl_module_free(m);
    fclose(f);
}

/* Everything that is wrong with a layer or its input is an error that says what was expected. */
static void test_errors(void)
{
#define REFUSED(expression, part)                                                                                                \
    do {                                                                                                                         \
        tl_error_clear();                                                                                                        \
        ok(!(expression), "refused: %s", #expression);                                                                           \
        contains(tl_error_message(), part, "and says why");                                                                      \
    } while (0)
    REFUSED(tl_nn_linear(-1, 2), "in_features is -1");
    REFUSED(tl_nn_linear(INT64_MAX / 8, INT64_MAX / 8), "");
    REFUSED(tl_nn_conv2d(3, 8, 0), "kernel_size is 0");
    REFUSED(tl_nn_conv2d(3, 8, 3, .groups = 2), "2 groups do not divide");
    REFUSED(tl_nn_conv2d(3, 8, 3, .stride = {-1}), "stride");
    REFUSED(tl_nn_batch_norm2d(0), "num_features is 0");
    REFUSED(tl_nn_dropout(1.5), "p is a chance between 0 and 1, not 1.5");
    REFUSED(tl_nn_dropout(NAN), "chance");
    REFUSED(tl_nn_embedding(5, 2, .padding_row = true, .padding_idx = 5), "padding_idx is 5");
    REFUSED(tl_nn_max_pool2d(2, .padding = {2}), "at most half");
    REFUSED(tl_nn_unflatten(1, 2, ((const int64_t[]){-1, -1})), "one may be -1");
    tl_error_clear();
    tl_tensor *image = tl_zeros(TL_SHAPE(2, 3, 8, 8), (struct tl_options){0}),
              *flat = tl_zeros(TL_SHAPE(1, 6), (struct tl_options){0});
    tl_module *conv = tl_nn_conv2d(3, 4, 3), *norm = tl_nn_batch_norm1d(6), *norm2 = tl_nn_batch_norm2d(4),
              *linear = tl_nn_linear(7, 5);
    tl_module *pool = tl_nn_max_pool2d(2);
    REFUSED(tl_forward(conv, flat), "[n, c, h, w] or [c, h, w], not [1 x 6]");
    REFUSED(tl_forward(conv, tl_zeros(TL_SHAPE(1, 2, 8, 8), (struct tl_options){0})), "");
    REFUSED(tl_forward(norm, image), "[n, c] or [n, c, l]");
    REFUSED(tl_forward(norm2, image), "made for 4 channels and got 3");
    REFUSED(tl_forward(norm, flat), "");
    is_int((long long)tl_item(tl_module_get(norm, "num_batches_tracked")), 0, "a refused batch of one is not counted");
    REFUSED(tl_forward(linear, flat), "");
    REFUSED(tl_forward(pool, flat), "[n, c, h, w]");
    REFUSED(tl_forward(NULL, flat), "");
    tl_error_clear();
    tl_eval(norm);
    ok(tl_forward(norm, flat), "in evaluation a batch of one is fine");
    tl_module_free(conv);
    tl_module_free(norm);
    tl_module_free(norm2);
    tl_module_free(linear);
    tl_module_free(pool);
    tl_error_clear();
}

/* An option that a layer does not have, and an input that it does not look at, must not pass in silence. */
static void test_what_is_not_read(void)
{
    const struct tl_layer_options all = {.no_bias = true, .stride = {0, 1}, .padding = {1}, .dilation = {1}, .output_padding = {1}, .groups = 1, .eps = 1,
                                         .momentum = 1, .not_affine = true, .not_tracked = true, .ceil_mode = true, .exclude_pad = true, .padding_row = true,
                                         .padding_idx = 1, .in_place = true, .num_layers = 1, .batch_first = true, .bidirectional = true, .dropout = 0.5, .relu = true};
    REFUSED(tl_nn_linear(3, 2, .stride = {2}), "Linear: has no option stride; it has: no_bias");
    REFUSED(tl_nn_linear(3, 2, .dropout = TL_ZERO), "Linear: has no option dropout");
    REFUSED(tl_nn_conv2d(3, 2, 1, .output_padding = {1}), "Conv2d: has no option output_padding; it has: no_bias, stride, padding, dilation, groups");
    REFUSED(tl_nn_conv1d(3, 2, 1, .ceil_mode = true), "Conv1d: has no option ceil_mode");
    REFUSED(tl_nn_conv1d(3, 2, 1, .padding = {1, 2}), "Conv1d: stride, padding and dilation are one number each");
    REFUSED(tl_nn_conv_transpose2d(3, 2, 1, .eps = 1), "ConvTranspose2d: has no option eps");
    REFUSED(tl_nn_batch_norm2d(3, .padding = {1}), "BatchNorm2d: has no option padding; it has: no_bias, eps, momentum, not_affine, not_tracked");
    REFUSED(tl_nn_layer_norm(3, .momentum = 0.1), "LayerNorm: has no option momentum");
    REFUSED(tl_nn_embedding(3, 2, .no_bias = true), "Embedding: has no option no_bias; it has: padding_row, padding_idx");
    REFUSED(tl_nn_lstm(3, 2, .relu = true), "LSTM: has no option relu");
    REFUSED(tl_nn_rnn_cell(3, 2, .num_layers = 2), "RNNCell: has no option num_layers; it has: no_bias, relu");
    REFUSED(tl_nn_gru_cell(3, 2, .relu = true), "GRUCell: has no option relu; it has: no_bias");
    REFUSED(tl_nn_max_pool2d(2, .exclude_pad = true), "MaxPool2d: has no option exclude_pad");
    REFUSED(tl_nn_avg_pool2d(2, .dilation = {2}), "AvgPool2d: has no option dilation");
    REFUSED(tl_nn_unfold(2, .groups = 1), "Unfold: has no option groups");
    REFUSED(tl_nn_fold(4, 4, 2, .in_place = true), "Fold: has no option in_place");
    REFUSED(tl_nn_relu_with(&all), "ReLU: has no option no_bias; it has: in_place");
    tl_module *layers[] = {tl_nn_linear(3, 3), tl_nn_relu(), tl_nn_softmax(0), tl_nn_flatten(), tl_nn_identity(), tl_nn_dropout(0.5),
                           TL_SEQUENTIAL(tl_nn_linear(3, 3)), tl_nn_layer_norm(3)};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        tl_tensor *x = tl_ones(TL_SHAPE(2, 3), (struct tl_options){0}), *two[] = {x, x};
        REFUSED(tl_forward_n(layers[i], two, 2), "takes one input, not 2");
        tl_module_free(layers[i]);
    }
}

int main(void)
{
    TL_SCOPE test_init();
    TL_SCOPE test_truncated();
    TL_SCOPE test_print();
    TL_SCOPE test_forward();
    TL_SCOPE test_errors();
    TL_SCOPE test_what_is_not_read();
    return done_testing();
}
