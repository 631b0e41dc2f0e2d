/* SPDX-License-Identifier: Apache-2.0
 *
 * rnn, lstm, gru: what comes next in a text? Tokens [n, t] -> embedding (or one-hot) -> recurrent layers -> logits [n, t, vocabulary]. The
 * parameters are named as those of PyTorch's example word_language_model: encoder, rnn, decoder.
 *
 * Batches of a data set with streams have a middle field: where in its stream each sample begins. Where that is where the sample before it
 * ended, the state goes on; elsewhere it begins with zeros. So nothing depends on epochs or on the order in which batches are asked for.
 */
#include <string.h>

#include "lstm.h"

enum { SIZES = 4 };

struct language {
    double dropout;
    bool embedded;
    int64_t vocabulary;
    int64_t layers, hidden;
    bool has_c; /* an LSTM */
    struct carried {
        tl_tensor *h, *c, *next; /* next, i64 [n]: where the samples that go on begin. References */
    } carried[SIZES];            /* one for each size of batch; the first is that of the last batch */
};

static tl_tensor *drop(const tl_module *m, tl_tensor *x)
{
    const struct language *f = tl_module_fields(m);
    return f->dropout > 0 && tl_is_training(m) ? tl_dropout(x, f->dropout) : x;
}

/* The network runs with time first: so no copy of the states' sequence is made. */
static tl_tensor *run(tl_module *m, tl_tensor *tokens, struct tl_rnn_state *state)
{
    const struct language *f = tl_module_fields(m);
    if (tokens && (tl_ndim(tokens) != 2 || tl_size(tokens, 1) < 1 || (tl_dtype_of(tokens) != TL_I64 && tl_dtype_of(tokens) != TL_I32))) {
        tl_fail(TL_ERR_SHAPE, "%s: takes tokens [n, t], i64", tl_module_name(m));
        return NULL;
    }
    tl_tensor *x = tl_contiguous(tl_t(tokens));
    x = f->embedded ? drop(m, tl_forward_child(m, "encoder", x)) : tl_cast(tl_one_hot(x, f->vocabulary), TL_F32);
    x = drop(m, tl_rnn_forward(tl_module_child(m, "rnn"), x, TL_NONE, state));
    return tl_transpose(tl_forward_child(m, "decoder", x), 0, 1);
}

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return run(m, x[0], NULL);
}

/* ---- A state that is carried on --------------------------------------------------------------------------------------- */

static void drop_carried(struct carried *k)
{
    tl_release(k->h);
    tl_release(k->c);
    tl_release(k->next);
    *k = (struct carried){NULL, NULL, NULL};
}

static bool is_for(const struct carried *k, const tl_tensor *start, tl_dtype dtype)
{
    return k->next && tl_numel(k->next) == tl_numel(start) && tl_dtype_of(k->h) == dtype && strcmp(tl_device_of(k->h), tl_device_of(start)) == 0;
}

/* Tensors that stay where they are from batch to batch, so that a recorded step finds them; made with the first batch of a size. NULL and an
 * error. */
static struct carried *carried_for(tl_module *m, tl_tensor *start)
{
    struct language *f = tl_module_fields(m);
    tl_tensor *bias = tl_module_get(m, "decoder.bias");
    if (!bias)
        return NULL;
    tl_dtype dtype = tl_dtype_of(bias);
    int i = 0;
    while (i < SIZES - 1 && !is_for(&f->carried[i], start, dtype))
        i++;
    struct carried k = f->carried[i];
    memmove(f->carried + 1, f->carried, (size_t)i * sizeof k);
    f->carried[0] = k;
    if (is_for(&k, start, dtype))
        return &f->carried[0];
    drop_carried(&f->carried[0]);
    struct tl_options o = {.dtype = dtype, .device = tl_device_of(start)}, indices = {.dtype = TL_I64, .device = o.device};
    const int64_t n = tl_numel(start), shape[3] = {f->layers, n, f->hidden};
    TL_ONCE TL_SCOPE {
        f->carried[0].h = tl_keep(tl_zeros(3, shape, o));
        f->carried[0].c = f->has_c ? tl_keep(tl_zeros(3, shape, o)) : NULL;
        f->carried[0].next = tl_keep(tl_full(1, &n, -1, indices));
    }
    return tl_error_code() == TL_OK ? &f->carried[0] : NULL;
}

static tl_tensor *forward_batch(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c;
    if (n < 3)
        return tl_forward(m, batch[0]);
    tl_tensor *start = tl_contiguous(batch[1]);
    if (!start || tl_ndim(start) != 1 || tl_numel(start) != tl_size(batch[0], 0)) {
        tl_fail(TL_ERR_SHAPE, "%s: the field between tokens and targets must say where each sample begins, one number a sample", tl_module_name(m));
        return NULL;
    }
    struct carried *k = carried_for(m, start);
    if (!k)
        return NULL;
    tl_tensor *goes_on = tl_view(tl_eq(start, k->next), TL_SHAPE(tl_numel(start), 1));
    struct tl_rnn_state s = {tl_where(goes_on, k->h, tl_scalar(0)), k->c ? tl_where(goes_on, k->c, tl_scalar(0)) : NULL};
    tl_tensor *y = run(m, batch[0], &s);
    if (!y)
        return NULL;
    TL_NO_GRAD {
        tl_copy_(k->h, s.h);
        if (k->c)
            tl_copy_(k->c, s.c);
        tl_copy_(k->next, tl_add_s(start, (double)tl_size(batch[0], 1)));
    }
    return y;
}

static tl_tensor *advance(const struct tl_config *c, tl_module *m, tl_tensor *tokens, struct tl_rnn_state *state)
{
    (void)c;
    return run(m, tokens, state);
}

static void destroy(tl_module *m)
{
    struct language *f = tl_module_fields(m);
    for (int i = 0; i < SIZES; i++)
        drop_carried(&f->carried[i]);
}

/* ---- Tied weights ------------------------------------------------------------------------------------------------------- */

/* A dense layer whose weight is the encoder's table. */
static tl_tensor *tied_forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return tl_linear(x[0], tl_module_get(m, "weight"), tl_module_get(m, "bias"));
}

static void tied_extra(const tl_module *m, char *buffer, size_t size)
{
    const tl_tensor *w = tl_module_get(m, "weight");
    snprintf(buffer, size, "in_features=%lld, out_features=%lld, bias=True", (long long)tl_size(w, 1), (long long)tl_size(w, 0));
}

/* The dense layer is drawn as ever, so that what is drawn after it is the same; then its weight gives way. */
static tl_module *tied_decoder(tl_tensor *table, int64_t hidden, int64_t vocabulary)
{
    static const struct tl_module_class class = {sizeof class, "Linear", tied_forward, tied_extra, NULL, 1};
    tl_module *dense = tl_nn_linear(hidden, vocabulary), *m = dense ? tl_module_new(&class, 0) : NULL;
    tl_module_parameter(m, "weight", table);
    tl_module_parameter(m, "bias", dense ? tl_module_get(dense, "bias") : NULL);
    tl_module_free(dense);
    return m;
}

/* ---- Building ----------------------------------------------------------------------------------------------------------- */

static tl_module *build_with(const struct tl_config *c, bool has_c,
                             tl_module *(*layers)(int64_t features, int64_t hidden, const struct tl_layer_options *o))
{
    static const struct tl_module_class class = {sizeof class, "Language", forward, NULL, destroy, 1};
    int64_t vocabulary = tl_config_int(c, "vocabulary"), embedding = tl_config_int(c, "embedding"), hidden = tl_config_int(c, "hidden");
    bool tied = tl_config_bool(c, "tied");
    struct tl_layer_options o = {.struct_size = sizeof o, .num_layers = tl_config_int(c, "layers")};
    double dropout = tl_config_float(c, "dropout");
    o.dropout = o.num_layers > 1 ? dropout : 0;
    if (tied && embedding != hidden) {
        tl_fail(TL_ERR_ARGUMENT, "tied weights need an embedding as long as the hidden state: embedding is %lld, hidden %lld; set both alike",
                (long long)embedding, (long long)hidden);
        return NULL;
    }
    tl_module *m = tl_module_new(&class, sizeof(struct language));
    if (!m)
        return NULL;
    *(struct language *)tl_module_fields(m) = (struct language){.dropout = dropout, .embedded = embedding > 0, .vocabulary = vocabulary,
                                                             .layers = o.num_layers, .hidden = hidden, .has_c = has_c};
    if (embedding > 0)
        tl_module_add(m, "encoder", tl_nn_embedding(vocabulary, embedding));
    tl_module_add(m, "rnn", layers(embedding > 0 ? embedding : vocabulary, hidden, &o));
    if (tl_module_add(m, "decoder", tied ? tied_decoder(tl_module_get(m, "encoder.weight"), hidden, vocabulary) : tl_nn_linear(hidden, vocabulary)))
        return m;
    tl_module_free(m);
    return NULL;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "steps");
    return 1;
}

/* Sequences may have any length. Measurements are no tokens, though a cast would make some of them. */
static tl_tensor *preprocess(const struct tl_config *c, tl_tensor *input)
{
    (void)c;
    if (tl_dtype_is_float(tl_dtype_of(input))) {
        tl_fail(TL_ERR_DTYPE, "a language is learnt from tokens, whole numbers; these samples are %s (data for it: text:FILE)", tl_dtype_name(tl_dtype_of(input)));
        return NULL;
    }
    return tl_dtype_of(input) == TL_I64 || tl_dtype_of(input) == TL_I32 ? input : tl_cast(input, TL_I64);
}

static tl_tensor *example(const struct tl_config *c, int ndim, const int64_t *shape)
{
    return tl_randint(0, tl_config_int(c, "vocabulary"), ndim, shape, (struct tl_options){.dtype = TL_I64});
}

static const struct tl_plugin_option options[] = {
    {.name = "vocabulary", .help = "tokens that there are", .kind = TL_OPTION_INT, .fallback = "96", .low = 1, .high = 1 << 24,
     .role = TL_ROLE_CLASSES},
    {.name = "steps", .help = "tokens in a sample, for summaries and timing", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 1 << 20,
     .role = TL_ROLE_FEATURES},
    {.name = "embedding", .help = "numbers that stand for a token; 0: one-hot", .kind = TL_OPTION_INT, .fallback = "64", .low = 0, .high = 1 << 16},
    {.name = "hidden", .help = "units in a layer", .kind = TL_OPTION_INT, .fallback = "256", .low = 1, .high = 1 << 16},
    {.name = "layers", .help = "recurrent layers, one on the other", .kind = TL_OPTION_INT, .fallback = "1", .low = 1, .high = 16},
    {.name = "dropout", .help = "chance of dropping each value before, between and after the layers while training", .kind = TL_OPTION_FLOAT,
     .fallback = "0", .high = 0.95},
    {.name = "tied", .help = "one table for the embedding and the last layer (embedding = hidden)", .kind = TL_OPTION_BOOL, .fallback = "no"},
    {0},
};

#define LANGUAGE(variable, name_, layers, summary_)                                 \
    static tl_module *build_##variable(const struct tl_config *c)                   \
    {                                                                               \
        return build_with(c, layers == tl_nn_lstm_with, layers);                      \
    }                                                                               \
    const struct tl_model lstm_##variable = {                                       \
        .struct_size = sizeof(struct tl_model),                                     \
        .tasks = TL_LANGUAGE,                                                       \
        .name = name_,                                                              \
        .summary = summary_,                                                        \
        .options = options,                                                         \
        .data = "text",                                                             \
        .input_shape = input_shape,                                                 \
        .build = build_##variable,                                                  \
        .preprocess = preprocess,                                                   \
        .forward = forward_batch,                                                   \
        .example = example,                                                         \
        .advance = advance,                                                         \
    };

LANGUAGE(rnn, "rnn", tl_nn_rnn_with, "recurrent language model, tanh: what comes next in a text?")
LANGUAGE(lstm, "lstm", tl_nn_lstm_with, "language model of LSTM layers: what comes next in a text?")
LANGUAGE(gru, "gru", tl_nn_gru_with, "language model of GRU layers: what comes next in a text?")
