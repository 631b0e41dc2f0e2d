/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin of data sets for tests: those with a flaw in their table, those whose batches are not what they say of themselves, and
 * good ones of every kind. All have 40 samples of four numbers, or six tokens.
 */
#include <string.h>
#include <telar/data.h>

enum { SIZE = 40 };

struct set {
    char name[24];
    int64_t first;
};

static float number(int64_t i, int64_t k)
{
    return (float)((i * 7 + k * 3) % 11) / 11 - 0.5f;
}

static tl_status good_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **fields)
{
    const struct set *s = tl_dataset_private(d);
    const struct tl_dataset_info *info = tl_dataset_info(d);
    float *x = tl_batch_field(&fields[0], TL_F32, TL_SHAPE(n, 4));
    int64_t *labels = info->n_classes ? tl_batch_field(&fields[1], TL_I64, TL_SHAPE(n)) : NULL;
    float *targets = info->n_targets ? tl_batch_field(&fields[1], TL_F32, TL_SHAPE(n, info->n_targets)) : NULL;
    for (int64_t i = 0; x && i < n; i++) {
        int64_t at = s->first + index[i];
        for (int64_t k = 0; k < 4; k++)
            x[4 * i + k] = number(at, k);
        if (labels)
            labels[i] = at % info->n_classes;
        for (int64_t k = 0; targets && k < info->n_targets; k++)
            targets[i * info->n_targets + k] = 3 * x[4 * i] - x[4 * i + 1] + 2 + (float)k;
    }
    return tl_error_code();
}

/* Each token is followed by the next of five. */
static tl_status token_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **fields)
{
    (void)d;
    int64_t *now = tl_batch_field(&fields[0], TL_I64, TL_SHAPE(n, 6)), *next = tl_batch_field(&fields[1], TL_I64, TL_SHAPE(n, 6));
    for (int64_t i = 0; now && next && i < 6 * n; i++) {
        now[i] = (index[i / 6] + i % 6) % 5;
        next[i] = (now[i] + 1) % 5;
    }
    return tl_error_code();
}

static tl_status crooked_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **fields)
{
    const char *name = ((const struct set *)tl_dataset_private(d))->name;
    if (strcmp(name, "d-quiet") == 0)
        return TL_ERR_IO;
    if (strcmp(name, "d-careless") == 0) {
        tl_fail(TL_ERR_IO, "the disk is on fire");
        return good_batch(d, index, n, fields) == TL_OK ? TL_OK : TL_OK;
    }
    good_batch(d, index, n, fields);
    if (strcmp(name, "d-one-field") == 0)
        fields[1] = NULL;
    else if (strcmp(name, "d-shape") == 0)
        fields[0] = tl_reshape(fields[0], TL_SHAPE(n, 2, 2));
    else if (strcmp(name, "d-f32") == 0)
        fields[1] = tl_cast(fields[1], TL_F32);
    else if (strcmp(name, "d-column") == 0)
        fields[1] = tl_reshape(fields[1], TL_SHAPE(n, 1));
    else if (strcmp(name, "d-range") == 0)
        ((int64_t *)tl_data_mut(fields[1]))[n - 1] = 77;
    else if (strcmp(name, "d-wide") == 0)
        tl_batch_field(&fields[1], TL_F32, TL_SHAPE(n, 3));
    return tl_error_code();
}

static const struct tl_dataset_class good_class = {.struct_size = sizeof good_class, .name = "good", .batch = good_batch};
static const struct tl_dataset_class token_class = {.struct_size = sizeof token_class, .name = "tokens", .batch = token_batch};
static const struct tl_dataset_class crooked_class = {.struct_size = sizeof crooked_class, .name = "crooked", .batch = crooked_batch};

static tl_dataset *new_set(const struct tl_dataset_class *c, const struct tl_data_request *r, int64_t size, int64_t classes, int64_t targets)
{
    bool token = c == &token_class;
    tl_dataset *d = tl_dataset_new(c, sizeof(struct set), .size = size, .ndim = 1, .shape = {token ? 6 : 4}, .n_classes = classes,
                                   .n_targets = targets, .n_fields = classes || targets ? 2 : 1);
    struct set *s = tl_dataset_private(d);
    if (s)
        strncpy(s->name, r->name, sizeof s->name - 1);
    return d;
}

static tl_dataset *open_good(const struct tl_data_request *r)
{
    return new_set(&good_class, r, SIZE, tl_config_int(r->config, "classes"), tl_config_int(r->config, "targets"));
}

static tl_dataset *open_ordered(const struct tl_data_request *r)
{
    int64_t first, size;
    tl_split_range(r, SIZE, &first, &size);
    tl_dataset *d = new_set(&good_class, r, size, 0, 1);
    struct set *s = tl_dataset_private(d);
    if (s)
        s->first = first;
    return d;
}

static tl_dataset *open_tokens(const struct tl_data_request *r)
{
    return new_set(&token_class, r, SIZE, 5, 0);
}

static tl_dataset *open_crooked(const struct tl_data_request *r)
{
    bool targets = strcmp(r->name, "d-wide") == 0;
    return new_set(&crooked_class, r, SIZE, targets ? 0 : 3, targets ? 1 : 0);
}

static tl_dataset *open_null(const struct tl_data_request *r)
{
    (void)r;
    return NULL;
}

static const struct tl_plugin_option options[] = {
    {.name = "classes", .kind = TL_OPTION_INT, .fallback = "0", .high = 9}, {.name = "targets", .kind = TL_OPTION_INT, .fallback = "0", .high = 9},
    {.name = "text", .kind = TL_OPTION_TEXT}, {0}};

#define SOURCE(variable, name_, open_, ...) \
    static const struct tl_data_source variable = {.struct_size = sizeof(struct tl_data_source), .name = name_, .open = open_, __VA_ARGS__}
SOURCE(no_open, "d-no-open", NULL, .summary = "");
SOURCE(flags, "d-flags", open_good, .flags = 1u << 30);
SOURCE(good, "d-good", open_good, .options = options);
static const char *const endings[] = {".good", ".more.good", NULL}, *const longer[] = {".even.more.good", ".GOODS", "re.good", NULL};
static enum tl_folder knows(const char *path)
{
    return strstr(path, "known") ? TL_FOLDER_KNOWN : TL_FOLDER_NO;
}
static enum tl_folder takes_any(const char *path)
{
    return strstr(path, "known") || strstr(path, "any") ? TL_FOLDER_ANY : TL_FOLDER_NO;
}
SOURCE(by_ending, "d-by-ending", open_good, .options = options, .endings = endings, .reads_folder = takes_any);
SOURCE(by_longer, "d-by-longer", open_good, .options = options, .endings = longer, .reads_folder = knows);
static const struct tl_data_source first_version = {.struct_size = offsetof(struct tl_data_source, endings), .name = "d-first-version", .open = open_good,
                                                    .options = options, .endings = longer, .reads_folder = knows};
SOURCE(ordered, "d-ordered", open_ordered, .flags = TL_DATA_OWN_SPLIT);
SOURCE(tokens, "d-tokens", open_tokens, .summary = "");
SOURCE(null, "d-null", open_null, .summary = "");
SOURCE(quiet, "d-quiet", open_crooked, .summary = "");
SOURCE(careless, "d-careless", open_crooked, .summary = "");
SOURCE(one_field, "d-one-field", open_crooked, .summary = "");
SOURCE(shape, "d-shape", open_crooked, .summary = "");
SOURCE(f32, "d-f32", open_crooked, .summary = "");
SOURCE(column, "d-column", open_crooked, .summary = "");
SOURCE(range, "d-range", open_crooked, .summary = "");
SOURCE(wide, "d-wide", open_crooked, .summary = "");

TL_DATA_PLUGIN("crooked", "0", "data sets for tests", &no_open, &flags, &good, &ordered, &tokens, &null, &quiet, &careless, &one_field, &shape,
               &f32, &column, &range, &wide, &first_version, &by_longer, &by_ending);
