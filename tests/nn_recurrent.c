/* SPDX-License-Identifier: Apache-2.0
 *
 * Recurrent layers: states in and out, packed lengths and cells against PyTorch (tests/golden/make_recurrent.py); what a sequence in pieces
 * gives, what padding may hold, and what is refused.
 */
#include <math.h>

#include "golden.h"
#include <telar/nn.h>

enum { STEPS = 6, SAMPLES = 4, FEATURES = 3, HIDDEN = 5 };

#define BOTH .num_layers = 2, .bidirectional = true, .batch_first = true
static tl_module *layer_named(const char *name)
{
    return strcmp(name, "lstm") == 0  ? tl_nn_lstm(FEATURES, HIDDEN, BOTH)
           : strcmp(name, "gru") == 0 ? tl_nn_gru(FEATURES, HIDDEN, BOTH)
                                      : tl_nn_rnn(FEATURES, HIDDEN, BOTH, .relu = strcmp(name, "relu") == 0);
}

static tl_tensor *leaf(tl_tensor *t)
{
    return tl_set_requires_grad(t, true);
}

static tl_tensor *weighted(tl_tensor *t)
{
    return tl_sum(tl_mul(t, tl_reshape(tl_linspace(-1, 1, tl_numel(t), (struct tl_options){0}), tl_ndim(t), tl_shape(t))));
}

/* One layer of the file: y, states at the end, gradients of x, of the states and of the parameters. */
static void test_layer(FILE *f, const char *name, bool packed)
{
    char key[64], what[160];
    bool lstm = strcmp(name, "lstm") == 0;
    tl_manual_seed(5);
    tl_module *m = layer_named(name);
    tl_tensor *x = leaf(tl_randn(TL_SHAPE(SAMPLES, STEPS, FEATURES), (struct tl_options){0}));
    tl_tensor *h = leaf(tl_randn(TL_SHAPE(4, SAMPLES, HIDDEN), (struct tl_options){0})), *c = TL_NONE;
    if (lstm)
        c = leaf(tl_randn(TL_SHAPE(4, SAMPLES, HIDDEN), (struct tl_options){0}));
    struct tl_rnn_state s = {h, c};
    tl_tensor *y = tl_rnn_forward(m, x, packed ? tl_tensor_i64(TL_SHAPE(SAMPLES), 3, 6, 1, 4) : TL_NONE, &s);
    tl_tensor *loss = tl_add(weighted(y), weighted(s.h));
    if (lstm)
        loss = tl_add(loss, weighted(s.c));
    tl_tensor *weight = tl_module_get(m, "weight_hh_l0"), *bias = tl_module_get(m, "bias_hh_l0_reverse"), *wanted[] = {x, h, weight, bias}, *g[4];
    bool done = tl_grad(&loss, 1, NULL, wanted, 4, g, (struct tl_backward_options){.create_graph = true}) == TL_OK;
    ok(tl_backward(loss, TL_NONE, (struct tl_backward_options){0}) == TL_OK, "%s: backward %s", name, tl_error_message());
    for (int i = 0; i < 4; i++)
        ok(done && tl_allclose(g[i], tl_grad_of(wanted[i]), 1e-4, 1e-5), "%s%s: gradient %d that can be differentiated is the same", name,
           packed ? ", packed" : "", i);
    size_t left = (lstm ? 6 : 4) + tl_module_parameter_list(m, NULL, 0);
    while (left-- && golden_word(f, key, sizeof key)) {
        tl_tensor *t = strcmp(key, "y") == 0    ? y
                       : strcmp(key, "h") == 0  ? s.h
                       : strcmp(key, "c") == 0  ? s.c
                       : strcmp(key, "dx") == 0 ? tl_grad_of(x)
                       : strcmp(key, "dh") == 0 ? tl_grad_of(h)
                       : strcmp(key, "dc") == 0 ? tl_grad_of(c)
                                                : tl_grad_of(tl_module_get(m, key));
        snprintf(what, sizeof what, "%s%s: %s", name, packed ? ", packed" : "", key);
        golden_tensor(f, t, 2e-5, what);
        if (left)
            golden_word(f, key, sizeof key); /* the layer's name again */
    }
    tl_error_clear();
    tl_module_free(m);
}

static void test_cell(FILE *f, const char *name)
{
    char what[160], key[64];
    bool lstm = strcmp(name, "lstm_cell") == 0;
    tl_manual_seed(5);
    tl_module *m = lstm                            ? tl_nn_lstm_cell(FEATURES, HIDDEN)
                   : strcmp(name, "gru_cell") == 0 ? tl_nn_gru_cell(FEATURES, HIDDEN)
                                                   : tl_nn_rnn_cell(FEATURES, HIDDEN);
    tl_tensor *x = tl_randn(TL_SHAPE(3, SAMPLES, FEATURES), (struct tl_options){0});
    struct tl_rnn_state s = {0};
    for (int k = 0; k < 3; k++)
        tl_rnn_forward(m, tl_select(x, 0, k), TL_NONE, &s);
    for (int k = 0; k < (lstm ? 2 : 1); k++) {
        if (k)
            golden_word(f, key, sizeof key);
        golden_word(f, key, sizeof key);
        snprintf(what, sizeof what, "%s: %s after three steps", name, key);
        golden_tensor(f, *key == 'h' ? s.h : s.c, 5e-6, what);
    }
    tl_error_clear();
    tl_module_free(m);
}

static void test_orthogonal(FILE *f)
{
    char text[32];
    int64_t shape[4];
    int n = 0;
    golden_word(f, text, sizeof text);
    for (char *at = text; *at; at += *at == 'x')
        shape[n++] = strtol(at, &at, 10);
    tl_manual_seed(3);
    tl_tensor *t = tl_empty(n, shape, (struct tl_options){0});
    ok(tl_init_orthogonal(t, 1.5) == TL_OK, "orthogonal %s: %s", text, tl_error_message());
    golden_tensor(f, t, 5e-6, text);
}

static void test_golden(void)
{
    char name[64];
    FILE *f = golden_open("recurrent.txt");
    while (golden_word(f, name, sizeof name))
        TL_SCOPE
        {
            char *packed = strstr(name, "_packed");
            if (packed)
                *packed = 0;
            if (strcmp(name, "orthogonal") == 0)
                test_orthogonal(f);
            else if (strstr(name, "_cell"))
                test_cell(f, name);
            else
                test_layer(f, name, packed != NULL);
        }
    fclose(f);
}

/* A sequence in two pieces, the state handed over, is the whole; a cell's steps are the layer's. */
static void test_pieces(void)
{
    tl_module *m = tl_nn_lstm(FEATURES, HIDDEN, .num_layers = 2), *cell = tl_nn_gru_cell(FEATURES, HIDDEN), *gru = tl_nn_gru(FEATURES, HIDDEN);
    tl_tensor *x = tl_randn(TL_SHAPE(STEPS, SAMPLES, FEATURES), (struct tl_options){0}), *half[2];
    struct tl_rnn_state whole = {0}, pieces = {0};
    tl_tensor *y = tl_rnn_forward(m, x, TL_NONE, &whole);
    for (int k = 0; k < 2; k++) {
        half[k] = tl_rnn_forward(m, tl_narrow(x, 0, k * STEPS / 2, STEPS / 2), TL_NONE, &pieces);
        pieces.h = tl_detach(pieces.h);
        pieces.c = tl_detach(pieces.c);
    }
    ok(tl_allclose(tl_cat(2, half, 0), y, 1e-6, 1e-6), "two halves are the whole: %s", tl_error_message());
    ok(tl_allclose(pieces.h, whole.h, 1e-6, 1e-6) && tl_allclose(pieces.c, whole.c, 1e-6, 1e-6), "and so are the states");
    ok(tl_ndim(whole.h) == 3 && tl_shape(whole.h)[0] == 2 && !tl_requires_grad(pieces.h), "states of two layers, detached");
    tl_tensor *again = tl_forward_n(m, (tl_tensor *[]){x, tl_zeros_like(whole.h), tl_zeros_like(whole.c)}, 3);
    ok(tl_equal(again, y), "tl_forward_n() takes the states: %s", tl_error_message());
    TL_NO_GRAD for (int i = 0; i < 4; i++)
        tl_copy_(tl_module_get(cell, ((const char *[]){"weight_ih", "weight_hh", "bias_ih", "bias_hh"})[i]),
                 tl_module_get(gru, ((const char *[]){"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"})[i]));
    struct tl_rnn_state s = {0};
    for (int t = 0; t < STEPS; t++)
        y = tl_rnn_forward(cell, tl_select(x, 0, t), TL_NONE, &s);
    ok(tl_allclose(y, tl_select(tl_forward(gru, x), 0, -1), 1e-6, 1e-6), "steps of a cell are those of a layer: %s", tl_error_message());
    struct tl_rnn_state one = {0};
    tl_tensor *sample = tl_rnn_forward(gru, tl_select(x, 1, 2), TL_NONE, &one);
    ok(tl_allclose(sample, tl_select(tl_forward(gru, x), 1, 2), 1e-6, 1e-6) && tl_ndim(one.h) == 2, "a single sample needs no batch");
    tl_module_free(m);
    tl_module_free(cell);
    tl_module_free(gru);
    tl_error_clear();
}

/* What lies beyond a sample's end is never looked at, forwards, backwards, and in a gradient's gradient. */
static void test_padding(void)
{
    tl_module *m = tl_nn_gru(FEATURES, HIDDEN, .bidirectional = true);
    tl_tensor *x = tl_randn(TL_SHAPE(STEPS, 2, FEATURES), (struct tl_options){0}), *lengths = tl_tensor_i64(TL_SHAPE(2), 2, 6);
    tl_fill_(tl_narrow(tl_select(x, 1, 0), 0, 2, STEPS - 2), NAN);
    leaf(x);
    tl_tensor *y = tl_rnn_forward(m, x, lengths, NULL), *g[2], *loss = tl_sum(tl_square(y));
    ok(tl_item(tl_all(tl_isfinite(y))) != 0, "NaN in the padding stays there");
    ok(tl_item(tl_sum(tl_abs(tl_narrow(tl_select(y, 1, 0), 0, 2, STEPS - 2)))) == 0, "beyond its end a sample is 0");
    tl_tensor *weight = tl_module_get(m, "weight_ih_l0_reverse"), *wanted[] = {x, weight};
    bool done = tl_grad(&loss, 1, NULL, wanted, 2, g, (struct tl_backward_options){.retain_graph = true}) == TL_OK;
    ok(done && tl_item(tl_all(tl_isfinite(g[1]))) != 0, "nor does it reach the weights' gradients: %s", tl_error_message());
    ok(done && tl_item(tl_sum(tl_abs(tl_narrow(tl_select(g[0], 1, 0), 0, 2, STEPS - 2)))) == 0, "and padding has no gradient");
    done = tl_grad(&loss, 1, NULL, wanted, 2, g, (struct tl_backward_options){.create_graph = true}) == TL_OK;
    tl_tensor *square = done ? tl_sum(tl_square(g[1])) : NULL, *second = NULL;
    done = done && tl_grad(&square, 1, NULL, &weight, 1, &second, (struct tl_backward_options){0}) == TL_OK;
    ok(done && tl_item(tl_all(tl_isfinite(second))) != 0, "nor second derivatives: %s", tl_error_message());
    tl_module_free(m);
    tl_error_clear();
}

static void test_errors(void)
{
#define REFUSED(expression, part)                                  \
    do {                                                           \
        tl_error_clear();                                          \
        ok(!(expression), "refused: %s", #expression);             \
        contains(tl_error_message(), part, "and says why");        \
    } while (0)
    REFUSED(tl_nn_lstm(-1, 2), "LSTM: input_size is -1");
    REFUSED(tl_nn_gru(3, 0), "GRU: hidden_size is 0");
    REFUSED(tl_nn_lstm(3, 4, .num_layers = -2), "num_layers is -2");
    REFUSED(tl_nn_lstm(3, 4, .num_layers = 65), "at most 64");
    REFUSED(tl_nn_rnn(3, 4, .num_layers = 2, .dropout = 1.5), "dropout is a chance between 0 and 1, not 1.5");
    REFUSED(tl_nn_lstm(3, INT64_MAX / 2), "");
    tl_error_clear();
    tl_module *lstm = tl_nn_lstm(3, 4, .batch_first = true), *cell = tl_nn_lstm_cell(3, 4), *linear = tl_nn_linear(3, 4);
    tl_tensor *x = tl_zeros(TL_SHAPE(2, 6, 3), (struct tl_options){0}), *h = tl_zeros(TL_SHAPE(1, 6, 4), (struct tl_options){0});
    REFUSED(tl_forward(lstm, tl_zeros(TL_SHAPE(3), (struct tl_options){0})), "[n, t, features] or [t, features], not [3]");
    REFUSED(tl_forward(lstm, tl_zeros(TL_SHAPE(2, 6, 4), (struct tl_options){0})), "w_ih must be [16 x 4], not [16 x 3]");
    REFUSED(tl_forward(lstm, tl_zeros(TL_SHAPE(2, 0, 3), (struct tl_options){0})), "one step or more");
    REFUSED(tl_forward_n(lstm, (tl_tensor *[]){x, h, h}, 3), "the state h must be [1 x 2 x 4]");
    REFUSED(tl_forward_n(lstm, (tl_tensor *[]){x, h}, 2), "takes 1 input, or 3 with the state to begin with, not 2");
    REFUSED(tl_rnn_forward(lstm, x, tl_tensor_i64(TL_SHAPE(3), 1, 2, 3), NULL), "lengths must be [2]");
    REFUSED(tl_rnn_forward(lstm, x, tl_tensor_i64(TL_SHAPE(2), 1, 7), NULL), "length 7 at position 1 is out of range: expected 0 to 6");
    REFUSED(tl_rnn_forward(lstm, x, NULL, NULL), "lengths is NULL");
    REFUSED(tl_rnn_forward(linear, x, TL_NONE, NULL), "Linear: is not a recurrent layer");
    REFUSED(tl_rnn_forward(cell, tl_select(x, 1, 0), tl_tensor_i64(TL_SHAPE(2), 1, 1), NULL), "a cell takes one step");
    struct tl_rnn_state s = {h, h};
    REFUSED(tl_rnn_forward(lstm, x, TL_NONE, &s), "the state h");
    ok(s.h == h && s.c == h, "a refused call leaves the state as it was");
    REFUSED(tl_init_orthogonal(tl_zeros(TL_SHAPE(3), (struct tl_options){0}), 1) == TL_OK, "two or more dimensions");
    tl_error_clear();
    tl_module_free(lstm);
    tl_module_free(cell);
    tl_module_free(linear);
}

int main(void)
{
    TL_SCOPE test_golden();
    TL_SCOPE test_pieces();
    TL_SCOPE test_padding();
    TL_SCOPE test_errors();
    return done_testing();
}
