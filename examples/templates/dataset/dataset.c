/* SPDX-License-Identifier: Apache-2.0
 *
 * A template: a data set plugin, here points on spirals, made in code. Copy it, rename what is called "my", change the rest.
 * docs/add-a-data-set.md walks through it.
 */
#include <math.h>
#include <telar/data.h>

/* What the data set keeps for itself: zeroed bytes that the host allocates, read by several loader threads at once. */
struct spirals {
    int64_t arms;
    double noise;
};

static double uniform(tl_generator *g)
{
    return tl_generator_random(g) / 4294967296.0;
}

/* Sample i depends on i alone, so that every thread and every run sees the same. */
static bool sample(const struct spirals *s, int64_t i, float *x, int64_t *label)
{
    tl_generator *g = tl_generator_new((uint64_t)i);
    if (!g)
        return false;
    *label = i % s->arms;
    double t = 0.25 + 0.75 * uniform(g), angle = 6.283185307179586 * (t + (double)*label / (double)s->arms);
    x[0] = (float)(t * cos(angle) + s->noise * (uniform(g) - 0.5));
    x[1] = (float)(t * sin(angle) + s->noise * (uniform(g) - 0.5));
    tl_generator_free(g);
    return true;
}

/* Samples index[0 … n-1], stacked: field 0 are the inputs [n, 2], field 1 the classes [n]. */
static tl_status batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct spirals *s = tl_dataset_private(d);
    float *x = tl_batch_field(&out[0], TL_F32, TL_SHAPE(n, 2));
    int64_t *labels = tl_batch_field(&out[1], TL_I64, TL_SHAPE(n));
    bool made = x && labels;
    for (int64_t i = 0; made && i < n; i++)
        made = sample(s, index[i], x + 2 * i, labels + i);
    return made ? TL_OK : tl_error_code();
}

/* Optional: tells the classes without making the samples. */
static tl_status labels_only(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    const struct spirals *s = tl_dataset_private(d);
    for (int64_t i = 0; i < n; i++)
        out[i] = index[i] % s->arms;
    return TL_OK;
}

static const struct tl_dataset_class spirals_class = {
    .struct_size = sizeof(struct tl_dataset_class),
    .name = "my-spirals",
    .batch = batch,
    .labels = labels_only,
    /* .destroy = …: release what struct spirals points to */
};

/* Always the whole set: the host cuts the training and the test part out of it, by class. */
static tl_dataset *open_spirals(const struct tl_data_request *r)
{
    static const char *const columns[] = {"x", "y"};
    int64_t arms = tl_config_int(r->config, "arms");
    tl_dataset *d = tl_dataset_new(&spirals_class, sizeof(struct spirals), .size = tl_config_int(r->config, "size"), .ndim = 1, .shape = {2},
                                   .n_classes = arms, .columns = columns);
    struct spirals *s = tl_dataset_private(d);
    if (s) {
        s->arms = arms;
        s->noise = tl_config_float(r->config, "noise");
    }
    return d;
}

static const struct tl_plugin_option options[] = {
    {.name = "size", .help = "points", .kind = TL_OPTION_INT, .fallback = "1000", .low = 10, .high = 1e6},
    {.name = "arms", .help = "spirals, one a class", .kind = TL_OPTION_INT, .fallback = "2", .low = 2, .high = 20},
    {.name = "noise", .help = "how far points are moved at most", .kind = TL_OPTION_FLOAT, .fallback = "0.05", .low = 0, .high = 1},
    {0},
};

static const struct tl_data_source my_spirals = {
    .struct_size = sizeof(struct tl_data_source),
    .name = "my-spirals",
    .summary = "points on spirals, made in code",
    .options = options,
    .open = open_spirals,
};

/* The first word is the file's name without .so. Further data sets follow the first, with commas between. */
TL_DATA_PLUGIN("my-data", "1.0", "my data sets: my-spirals", &my_spirals);
