/* SPDX-License-Identifier: Apache-2.0
 *
 * counting: sequences of zeros and ones, drawn anew from a seed, and how many ones each has.
 */
#include "text.h"

struct counting {
    tl_tensor *x, *y; /* [n, length], [n, 1]; kept */
};

static tl_status batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct counting *c = tl_dataset_private(d);
    int64_t length = tl_size(c->x, 1);
    float *x = tl_batch_field(&out[0], TL_F32, 2, (int64_t[]){n, length}), *y = tl_batch_field(&out[1], TL_F32, 2, (int64_t[]){n, 1});
    const float *from = tl_data(c->x), *counts = tl_data(c->y);
    if (!x || !y || !from || !counts)
        return tl_error_code();
    for (int64_t i = 0; i < n; i++) {
        y[i] = counts[index[i]];
        for (int64_t k = 0; k < length; k++)
            x[i * length + k] = from[index[i] * length + k];
    }
    return TL_OK;
}

static void destroy(tl_dataset *d)
{
    struct counting *c = tl_dataset_private(d);
    tl_release(c->x);
    tl_release(c->y);
}

static tl_dataset *counting_open(const struct tl_data_request *q)
{
    static const struct tl_dataset_class class = {sizeof class, "counting", batch, destroy, NULL};
    int64_t n = tl_config_int(q->config, "samples"), length = tl_config_int(q->config, "length");
    tl_generator *g = tl_generator_new((uint64_t)tl_config_int(q->config, "seed"));
    tl_dataset *d = g ? tl_dataset_new(&class, sizeof(struct counting), .size = n, .ndim = 1, .shape = {length}, .n_targets = 1) : NULL;
    TL_SCOPE {
        tl_tensor *x = d ? tl_bernoulli_(tl_empty(TL_SHAPE(n, length), (struct tl_options){.device = "cpu"}), tl_config_float(q->config, "chance"), g) : NULL;
        tl_tensor *y = x ? tl_sum(x, .dims = TL_DIMS(1), .keepdim = true) : NULL;
        if (y)
            *(struct counting *)tl_dataset_private(d) = (struct counting){tl_keep(x), tl_keep(y)};
    }
    tl_generator_free(g);
    return d;
}

static const struct tl_plugin_option options[] = {
    {.name = "samples", .help = "sequences", .kind = TL_OPTION_INT, .fallback = "1000", .low = 2, .high = 1 << 24},
    {.name = "length", .help = "numbers in a sequence", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 1 << 16},
    {.name = "chance", .help = "of a one", .kind = TL_OPTION_FLOAT, .fallback = "0.7", .high = 1},
    {.name = "seed", .help = "of the draw", .kind = TL_OPTION_INT, .fallback = "0", .low = 0, .high = 1e15},
    {0},
};

const struct tl_data_source text_counting = {
    .struct_size = sizeof(struct tl_data_source),
    .name = "counting",
    .summary = "sequences of zeros and ones, and how many ones each has",
    .options = options,
    .open = counting_open,
};
