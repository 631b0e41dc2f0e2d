/* SPDX-License-Identifier: Apache-2.0
 *
 * RNN, LSTM and GRU: layers of the op `rnn`, one on the other, in one direction or both; and their cells, which take one step. What
 * runs is run(), given the state to begin with; it hands out the state at the end through its context, which tl_forward() has none of.
 */
#include <math.h>
#include <stdio.h>

#include "nn/layers/module.h"

struct fields {
    int64_t features, hidden, layers;
    int mode; /* TL_RNN_… */
    bool bias, batch_first, bidirectional, cell;
    double dropout;
};

static int directions(const struct fields *f)
{
    return f->bidirectional ? 2 : 1;
}

/* ---- Running ----------------------------------------------------------------------------------------------------------- */

/* The state that a layer begins with, and where those that they end with are collected. */
struct carried {
    struct tl_rnn_state from;
    tl_tensor *lengths;
    tl_tensor *h, *c; /* at the end, kept */
    bool wanted;
};

/* Is the state [number of layers, n, hidden]? */
static bool state_fits(const tl_module *m, const tl_tensor *s, const char *name, int64_t samples)
{
    const struct fields *f = tl_module_fields(m);
    int64_t layers = f->layers * directions(f);
    if (tl_ndim(s) == 3 && tl_shape(s)[0] == layers && tl_shape(s)[1] == samples && tl_shape(s)[2] == f->hidden)
        return true;
    char text[200] = "[";
    for (int i = 0; i < tl_ndim(s); i++)
        layer_text(text, sizeof text, i ? " x %lld" : "%lld", (long long)tl_shape(s)[i]);
    tl_fail(TL_ERR_SHAPE, "%s: the state %s must be [%lld x %lld x %lld], one row of %lld for each layer and direction and for each sample, not %s]",
            m->name, name, (long long)layers, (long long)samples, (long long)f->hidden, (long long)f->hidden, text);
    return false;
}

/* Layer k's part of a state, or zeros; NULL and an error. */
static tl_tensor *state_part(const tl_module *m, tl_tensor *state, const char *name, int64_t k, const tl_tensor *x)
{
    const struct fields *f = tl_module_fields(m);
    int64_t samples = tl_shape(x)[1];
    if (!state || tl_is_none(state))
        return tl_zeros(TL_SHAPE(samples, f->hidden), (struct tl_options){.dtype = tl_dtype_of(x), .device = tl_device_of(x)});
    return state_fits(m, state, name, samples) ? tl_select(state, 0, (int)k) : NULL;
}

/* Direction d of layer k over x [t, n, …]. */
static tl_tensor *run_direction(tl_module *m, const struct carried *s, tl_tensor *x, int64_t k, int d, tl_tensor **h, tl_tensor **c)
{
    const struct fields *f = tl_module_fields(m);
    size_t first = (size_t)(k * directions(f) + d) * (f->bias || f->cell ? 4 : 2);
    tl_tensor *bias[2] = {TL_NONE, TL_NONE};
    if (f->bias)
        for (size_t i = 0; i < 2; i++)
            bias[i] = parameter_at(m, first + 2 + i);
    tl_tensor *h0 = state_part(m, s->from.h, "h", k * directions(f) + d, x);
    tl_tensor *c0 = f->mode == TL_RNN_LSTM ? state_part(m, s->from.c, "c", k * directions(f) + d, x) : TL_NONE;
    return tl_rnn(x, h0, c0, parameter_at(m, first), parameter_at(m, first + 1), bias[0], bias[1], s->lengths, h, c, .mode = f->mode,
                  .reverse = d == 1);
}

static tl_tensor *run_layer(tl_module *m, const struct carried *s, tl_tensor *x, int64_t k, tl_tensor **h, tl_tensor **c)
{
    const struct fields *f = tl_module_fields(m);
    tl_tensor *y[2];
    for (int d = 0; d < directions(f); d++)
        y[d] = run_direction(m, s, x, k, d, &h[k * directions(f) + d], &c[k * directions(f) + d]);
    tl_tensor *joined = f->bidirectional ? tl_cat(2, y, 2) : y[0];
    bool drop = f->dropout > 0 && m->training && k + 1 < f->layers;
    return drop ? tl_dropout(joined, f->dropout) : joined;
}

/* Of all layers, [layers, n, hidden]. */
static tl_tensor *all_of(tl_tensor **list, int64_t n)
{
    return n == 1 ? tl_unsqueeze(list[0], 0) : tl_stack((int)n, list, 0);
}

enum { MOST_LAYERS = 64 };

/* x [t, n, features] -> y [t, n, …]; the states in s. */
static tl_tensor *run_layers(tl_module *m, struct carried *s, tl_tensor *x)
{
    const struct fields *f = tl_module_fields(m);
    int64_t n = f->layers * directions(f);
    tl_tensor *h[2 * MOST_LAYERS], *c[2 * MOST_LAYERS];
    for (int64_t k = 0; k < f->layers && x; k++)
        x = run_layer(m, s, x, k, h, c);
    if (x && s->wanted) {
        s->h = all_of(h, n);
        s->c = f->mode == TL_RNN_LSTM ? all_of(c, n) : TL_NONE;
    }
    return x;
}

/* Give a state of a single sample, or of a cell, the dimension that it lacks. */
static void expand_state(struct carried *s, int dim)
{
    tl_tensor **part[2] = {&s->from.h, &s->from.c};
    for (int i = 0; i < 2; i++)
        if (*part[i] && !tl_is_none(*part[i]))
            *part[i] = tl_unsqueeze(*part[i], dim);
}

static tl_tensor *squeezed(tl_tensor *t, int dim)
{
    return t && !tl_is_none(t) ? tl_squeeze_dim(t, dim) : t;
}

static tl_tensor *run(tl_module *m, tl_tensor *const *x, int n, void *ctx)
{
    (void)n;
    const struct fields *f = tl_module_fields(m);
    struct carried *s = ctx;
    int low = f->cell ? 1 : 2, time = f->batch_first ? 1 : 0;
    if (!layer_takes(m, x[0], low, low + 1,
                     f->cell          ? "[n, features] or [features]"
                     : f->batch_first ? "[n, t, features] or [t, features]"
                                      : "[t, n, features] or [t, features]"))
        return NULL;
    bool sample = tl_ndim(x[0]) == low;
    tl_tensor *y = x[0];
    if (sample) {
        y = tl_unsqueeze(y, f->cell ? 0 : 1 - time);
        expand_state(s, f->cell ? 0 : 1);
    }
    if (f->cell) {
        y = tl_unsqueeze(y, 0);
        expand_state(s, 0);
    } else if (f->batch_first) {
        y = tl_transpose(y, 0, 1);
    }
    y = run_layers(m, s, y);
    if (f->cell) {
        y = tl_squeeze_dim(y, 0);
        s->h = squeezed(s->h, 0);
        s->c = squeezed(s->c, 0);
    } else if (f->batch_first) {
        y = tl_transpose(y, 0, 1);
    }
    if (sample) {
        y = tl_squeeze_dim(y, f->cell ? 0 : 1 - time);
        s->h = squeezed(s->h, f->cell ? 0 : 1);
        s->c = squeezed(s->c, f->cell ? 0 : 1);
    }
    s->h = tl_keep(s->h);
    s->c = tl_keep(s->c);
    return y;
}

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    const struct fields *f = tl_module_fields(m);
    int most = f->mode == TL_RNN_LSTM ? 3 : 2;
    if (n != 1 && n != most) {
        tl_fail(TL_ERR_ARGUMENT, "%s: takes 1 input, or %d with the state to begin with, not %d", m->name, most, n);
        return NULL;
    }
    struct carried s = {.from = {n > 1 ? x[1] : NULL, n > 2 ? x[2] : NULL}, .lengths = TL_NONE};
    return run(m, x, 1, &s);
}

static bool is_recurrent(const tl_module *m)
{
    return m->class->forward == forward;
}

tl_tensor *tl_rnn_forward(tl_module *m, tl_tensor *x, tl_tensor *lengths, struct tl_rnn_state *state)
{
    if (m && !is_recurrent(m)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: is not a recurrent layer; tl_nn_rnn(), tl_nn_lstm(), tl_nn_gru() and their cells are", m->name);
        return NULL;
    }
    const struct fields *f = tl_module_fields(m);
    if (f && f->cell && lengths && !tl_is_none(lengths)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: a cell takes one step; lengths are for whole sequences", m->name);
        return NULL;
    }
    struct carried s = {.from = state ? *state : (struct tl_rnn_state){0}, .lengths = lengths, .wanted = state != NULL};
    tl_tensor *y = lengths ? module_run(m, &x, 1, run, &s) : NULL;
    if (!lengths)
        tl_fail(TL_ERR_ARGUMENT, "%s: lengths is NULL, and no earlier call failed; TL_NONE stands for none", m ? m->name : "rnn_forward");
    tl_tensor *h = s.h ? tl_scope_adopt(s.h) : NULL, *c = s.c ? tl_scope_adopt(s.c) : NULL;
    if (y && state)
        *state = (struct tl_rnn_state){h, c};
    return y;
}

/* ---- Making ------------------------------------------------------------------------------------------------------------- */

static void extra(const tl_module *m, char *buffer, size_t size)
{
    const struct fields *f = tl_module_fields(m);
    char p[NUMBER_SIZE];
    layer_text(buffer, size, "%lld, %lld", (long long)f->features, (long long)f->hidden);
    if (f->layers != 1)
        layer_text(buffer, size, ", num_layers=%lld", (long long)f->layers);
    if (!f->bias)
        layer_text(buffer, size, ", bias=False");
    if (f->batch_first)
        layer_text(buffer, size, ", batch_first=True");
    if (f->dropout != 0)
        layer_text(buffer, size, ", dropout=%s", layer_number(p, f->dropout));
    if (f->bidirectional)
        layer_text(buffer, size, ", bidirectional=True");
    if (f->cell && f->mode == TL_RNN_RELU)
        layer_text(buffer, size, ", nonlinearity=relu");
}

static const struct tl_module_class layer_class[] = {[TL_RNN_TANH] = {sizeof *layer_class, "RNN", forward, extra, NULL, 0},
                                                     [TL_RNN_RELU] = {sizeof *layer_class, "RNN", forward, extra, NULL, 0},
                                                     [TL_RNN_LSTM] = {sizeof *layer_class, "LSTM", forward, extra, NULL, 0},
                                                     [TL_RNN_GRU] = {sizeof *layer_class, "GRU", forward, extra, NULL, 0}};
static const struct tl_module_class cell_class[] = {[TL_RNN_TANH] = {sizeof *cell_class, "RNNCell", forward, extra, NULL, 0},
                                                    [TL_RNN_RELU] = {sizeof *cell_class, "RNNCell", forward, extra, NULL, 0},
                                                    [TL_RNN_LSTM] = {sizeof *cell_class, "LSTMCell", forward, extra, NULL, 0},
                                                    [TL_RNN_GRU] = {sizeof *cell_class, "GRUCell", forward, extra, NULL, 0}};

/* Weights and biases of one layer and direction; `suffix`: "_l0", "_l1_reverse", and nothing of a cell. */
static void add_parameters(tl_module *m, int64_t inputs, const char *suffix)
{
    const struct fields *f = tl_module_fields(m);
    static const char *const kind[4] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    int64_t rows = f->hidden * (f->mode == TL_RNN_LSTM ? 4 : f->mode == TL_RNN_GRU ? 3 : 1);
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", kind[i], suffix);
        if (i < 2)
            layer_parameter(m, name, TL_SHAPE(rows, i == 0 ? inputs : f->hidden));
        else if (f->bias)
            layer_parameter(m, name, TL_SHAPE(rows));
        else if (f->cell)
            tl_module_parameter(m, name, TL_NONE);
    }
}

/* PyTorch's: everything uniform within 1 / sqrt(hidden), in order. */
static tl_status draw(tl_module *m)
{
    const struct fields *f = tl_module_fields(m);
    double bound = 1 / sqrt((double)f->hidden);
    tl_status s = TL_OK;
    for (size_t i = 0; i < m->parameters.n && s == TL_OK; i++)
        if (!tl_is_none(parameter_at(m, i)))
            s = tl_init_uniform(parameter_at(m, i), -bound, bound);
    return s;
}

static bool options_fit(const char *kind, const struct fields *f)
{
    if (!layer_size(kind, "input_size", f->features, 0) || !layer_size(kind, "hidden_size", f->hidden, 1) ||
        !layer_size(kind, "num_layers", f->layers, 1))
        return false;
    if (f->layers > MOST_LAYERS) {
        tl_fail(TL_ERR_LIMIT, "%s: num_layers is %lld; at most %d are allowed", kind, (long long)f->layers, MOST_LAYERS);
        return false;
    }
    if (f->hidden > INT64_MAX / 4) {
        tl_fail(TL_ERR_LIMIT, "%s: hidden_size is %lld; that is too large", kind, (long long)f->hidden);
        return false;
    }
    if (!(f->dropout >= 0 && f->dropout <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "%s: dropout is a chance between 0 and 1, not %g", kind, f->dropout);
        return false;
    }
    return true;
}

static tl_module *recurrent(int mode, bool cell, int64_t features, int64_t hidden, const struct tl_layer_options *options)
{
    struct tl_layer_options o;
    unsigned of_layers = cell ? 0u : HAS_NUM_LAYERS | HAS_BATCH_FIRST | HAS_DROPOUT | HAS_BIDIRECTIONAL;
    const struct tl_module_class *classes = cell ? cell_class : layer_class;
    if (!layer_options(&o, options, classes[mode].name, HAS_NO_BIAS | of_layers | (mode == TL_RNN_TANH ? HAS_RELU : 0u)))
        return NULL;
    if (o.relu)
        mode = TL_RNN_RELU;
    struct fields f = {features, hidden, o.num_layers ? o.num_layers : 1, mode, !o.no_bias, .cell = cell, .batch_first = o.batch_first,
                       .bidirectional = o.bidirectional, .dropout = o.dropout + 0.0};
    const struct tl_module_class *class = &classes[mode];
    tl_module *m = options_fit(class->name, &f) ? tl_module_new(class, sizeof f) : NULL;
    if (!m)
        return NULL;
    if (f.dropout > 0 && f.layers == 1)
        tl_log_message(TL_LOG_WARN, "nn", "%s: dropout %g acts between layers, and there is one only", class->name, f.dropout);
    *(struct fields *)tl_module_fields(m) = f;
    for (int64_t k = 0; k < f.layers; k++)
        for (int d = 0; d < directions(&f); d++) {
            char suffix[40] = "";
            if (!cell)
                snprintf(suffix, sizeof suffix, "_l%lld%s", (long long)k, d ? "_reverse" : "");
            add_parameters(m, k ? hidden * directions(&f) : features, suffix);
        }
    return layer_finish(m, m->broken ? tl_error_code() : draw(m));
}

#define KIND(name, mode)                                                                                       \
    tl_module *tl_nn_##name##_with(int64_t features, int64_t hidden, const struct tl_layer_options *o)         \
    {                                                                                                          \
        return recurrent(mode, false, features, hidden, o);                                                    \
    }                                                                                                          \
    tl_module *tl_nn_##name##_cell_with(int64_t features, int64_t hidden, const struct tl_layer_options *o)    \
    {                                                                                                          \
        return recurrent(mode, true, features, hidden, o);                                                     \
    }
KIND(rnn, TL_RNN_TANH)
KIND(lstm, TL_RNN_LSTM)
KIND(gru, TL_RNN_GRU)
