/* SPDX-License-Identifier: Apache-2.0
 *
 * sequence-classifier: many numbers in a row, one answer. Sequences [n, steps, features] -> recurrent layers -> the last layer's state at the
 * end (of both directions, side by side) -> logits. Pictures are read row by row. A data set whose batches have a middle field, i64 [n], says
 * with it how many steps of each sample count.
 */
#include <string.h>

#include "lstm.h"

struct classifier {
    bool bidirectional;
};

static tl_tensor *run(tl_module *m, tl_tensor *x, tl_tensor *lengths)
{
    const struct classifier *f = tl_module_fields(m);
    struct tl_rnn_state s = {NULL, NULL};
    if (!tl_rnn_forward(tl_module_child(m, "rnn"), x, lengths, &s))
        return NULL;
    tl_tensor *last = tl_select(s.h, 0, -1);
    if (f->bidirectional)
        last = tl_cat(2, (tl_tensor *[]){tl_select(s.h, 0, -2), last}, 1);
    return tl_forward_child(m, "fc", last);
}

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    return run(m, x[0], TL_NONE);
}

static tl_tensor *forward_batch(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n)
{
    (void)c;
    return n < 3 ? tl_forward(m, batch[0]) : run(m, batch[0], batch[1]);
}

static tl_module *layers(const struct tl_config *c)
{
    const char *cell = tl_config_choice(c, "cell");
    struct tl_layer_options o = {.struct_size = sizeof o, .batch_first = true, .num_layers = tl_config_int(c, "layers"),
                                 .bidirectional = tl_config_bool(c, "bidirectional")};
    o.dropout = o.num_layers > 1 ? tl_config_float(c, "dropout") : 0;
    int64_t features = tl_config_int(c, "features"), hidden = tl_config_int(c, "hidden");
    return strcmp(cell, "rnn") == 0 ? tl_nn_rnn_with(features, hidden, &o)
           : strcmp(cell, "gru") == 0 ? tl_nn_gru_with(features, hidden, &o)
                                      : tl_nn_lstm_with(features, hidden, &o);
}

static tl_module *build(const struct tl_config *c)
{
    static const struct tl_module_class class = {sizeof class, "SequenceClassifier", forward, NULL, NULL, 1};
    bool bidirectional = tl_config_bool(c, "bidirectional");
    tl_module *m = tl_module_new(&class, sizeof(struct classifier));
    if (!m)
        return NULL;
    ((struct classifier *)tl_module_fields(m))->bidirectional = bidirectional;
    tl_module_add(m, "rnn", layers(c));
    if (tl_module_add(m, "fc", tl_nn_linear(tl_config_int(c, "hidden") * (bidirectional ? 2 : 1), tl_config_int(c, "classes"))))
        return m;
    tl_module_free(m);
    return NULL;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "steps");
    shape[1] = tl_config_int(c, "features");
    return 2;
}

static const char *const cells[] = {"lstm", "gru", "rnn", NULL};

static const struct tl_plugin_option options[] = {
    {.name = "steps", .help = "steps in a sequence; rows of a picture", .kind = TL_OPTION_INT, .fallback = "8", .low = 1, .high = 1 << 20,
     .role = TL_ROLE_HEIGHT},
    {.name = "features", .help = "numbers in a step; columns of a picture", .kind = TL_OPTION_INT, .fallback = "8", .low = 1, .high = 1 << 20,
     .role = TL_ROLE_WIDTH},
    {.name = "classes", .help = "classes to tell apart", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 1 << 20, .role = TL_ROLE_CLASSES},
    {.name = "cell", .help = "kind of the layers", .kind = TL_OPTION_CHOICE, .fallback = "lstm", .choices = cells},
    {.name = "hidden", .help = "units in a layer", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 1 << 16},
    {.name = "layers", .help = "recurrent layers, one on the other", .kind = TL_OPTION_INT, .fallback = "1", .low = 1, .high = 16},
    {.name = "dropout", .help = "chance of dropping each value between the layers while training", .kind = TL_OPTION_FLOAT, .fallback = "0",
     .high = 0.95},
    {.name = "bidirectional", .help = "read from both ends", .kind = TL_OPTION_BOOL, .fallback = "no"},
    {0},
};

const struct tl_model lstm_classifier = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_CLASSIFY,
    .name = "sequence-classifier",
    .summary = "recurrent network that tells sequences apart; pictures are read row by row",
    .options = options,
    .data = "digits",
    .input_shape = input_shape,
    .build = build,
    .forward = forward_batch,
};
