/* SPDX-License-Identifier: Apache-2.0
 *
 * text: a file of UTF-8 as windows of characters. A sample is `seq` characters and, as what is to be learnt, those one further on. The last part
 * of the file is the test part. With `streams` the text is cut into so many pieces, which are read side by side: samples k, k + streams, … follow each
 * other, and a field between the two says where in its piece a sample begins.
 */
#include "../common/files.h"
#include "characters.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 31)

struct text {
    struct characters all;
    int64_t first, step, seq; /* window i begins at first + i step … */
    int64_t streams, windows; /* … or, with streams, at first + (i % streams windows + i / streams) seq */
};

static int64_t begin_of(const struct text *t, int64_t i)
{
    return t->first + (t->streams ? (i % t->streams * t->windows + i / t->streams) * t->seq : i * t->step);
}

static tl_status batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct text *t = tl_dataset_private(d);
    int last = t->streams ? 2 : 1;
    int64_t *tokens = tl_batch_field(&out[0], TL_I64, 2, (int64_t[]){n, t->seq}), *targets = tl_batch_field(&out[last], TL_I64, 2, (int64_t[]){n, t->seq});
    int64_t *start = t->streams ? tl_batch_field(&out[1], TL_I64, 1, &n) : NULL;
    if (!tokens || !targets || (t->streams && !start))
        return tl_error_code();
    for (int64_t i = 0; i < n; i++) {
        const int32_t *from = t->all.token + begin_of(t, index[i]);
        for (int64_t k = 0; k < t->seq; k++) {
            tokens[i * t->seq + k] = from[k];
            targets[i * t->seq + k] = from[k + 1];
        }
        if (start)
            start[i] = index[i] / t->streams * t->seq;
    }
    return TL_OK;
}

static void destroy(tl_dataset *d)
{
    struct text *t = tl_dataset_private(d);
    characters_free(&t->all);
}

/* Windows in the part of `size` characters that is wanted. */
static int64_t count_windows(struct text *t, int64_t size)
{
    if (size <= t->seq)
        return 0;
    if (!t->streams)
        return (size - 1 - t->seq) / t->step + 1;
    t->windows = (size - 1) / t->streams / t->seq;
    return t->windows * t->streams;
}

static tl_dataset *make(const struct tl_data_request *q, struct text *t)
{
    static const struct tl_dataset_class class = {sizeof class, "text", batch, destroy, NULL};
    int64_t size;
    tl_split_range(q, t->all.n, &t->first, &size);
    int64_t windows = count_windows(t, size);
    if (windows == 0) {
        tl_fail(TL_ERR_SHAPE, "\"%s\": %" PRId64 " characters are too few for %swindows of %" PRId64 " and the one after; set seq%s lower", q->path, size,
                t->streams ? "streams of " : "", t->seq, t->streams ? " or streams" : "");
        return NULL;
    }
    tl_dataset *d = tl_dataset_new(&class, sizeof *t, .size = windows, .n_fields = t->streams ? 3 : 2, .ndim = 1, .shape = {t->seq},
                                   .n_classes = t->all.vocabulary, .classes = (const char *const *)t->all.names, .streams = t->streams);
    if (d)
        *(struct text *)tl_dataset_private(d) = *t;
    return d;
}

static tl_dataset *text_open(const struct tl_data_request *q)
{
    struct bytes file;
    if (!q->path) {
        tl_fail(TL_ERR_ARGUMENT, "text: which file? text:FILE, or the path (--path)");
        return NULL;
    }
    if (files_read(q->path, MAX_BYTES, &file) != TL_OK)
        return NULL;
    struct text t = {.seq = tl_config_int(q->config, "seq"), .step = tl_config_int(q->config, "step"),
                     .streams = tl_config_int(q->config, "streams")};
    t.step = t.step ? t.step : t.seq;
    tl_status s = characters_read(q->path, file.data, file.size, tl_config_text(q->config, "vocabulary"), &t.all);
    free(file.data);
    tl_dataset *d = s == TL_OK ? make(q, &t) : NULL;
    if (!d)
        characters_free(&t.all);
    return d;
}

static const struct tl_plugin_option options[] = {
    {.name = "seq", .help = "characters in a sample", .kind = TL_OPTION_INT, .fallback = "64", .low = 1, .high = 1 << 20},
    {.name = "step", .help = "characters from sample to sample; 0: seq, so that none overlap", .kind = TL_OPTION_INT, .fallback = "0", .low = 0,
     .high = 1 << 20},
    {.name = "streams", .help = "pieces that are read side by side, so that states can be carried on: as many as a batch has samples; 0: none",
     .kind = TL_OPTION_INT, .fallback = "0", .low = 0, .high = 1 << 20},
    {.name = "vocabulary", .help = "the characters, in order, \\n, \\t and \\\\ escaped; default: those that occur", .kind = TL_OPTION_TEXT},
    {0},
};

static const struct tl_data_source text = {
    .struct_size = sizeof(struct tl_data_source),
    .flags = TL_DATA_OWN_SPLIT,
    .name = "text",
    .summary = "a file of text, UTF-8, by characters: text:FILE",
    .options = options,
    .open = text_open,
};

TL_DATA_PLUGIN("text", "1.0", "text by characters, and sequences to count", &text, &text_counting);
