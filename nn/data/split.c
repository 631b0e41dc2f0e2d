/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting a data set in parts: at random in PyTorch's order, by class with a fixed seed, or the first few. Every part
 * is a subset that keeps the whole alive.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <telar/data.h>

#include "nn/data/internal.h"

static void free_parts(tl_dataset **out, int n)
{
    for (int i = 0; i < n; i++) {
        tl_dataset_free(out[i]);
        out[i] = NULL;
    }
}

tl_status tl_random_split(tl_dataset *d, int n, const int64_t *sizes, tl_dataset **out)
{
    int64_t total = 0;

    if (!d || n < 1 || !sizes || !out)
        return tl_fail(TL_ERR_ARGUMENT, "random_split: a data set, sizes and room for at least one part are needed");
    for (int i = 0; i < n; i++)
        if (sizes[i] < 0 || __builtin_add_overflow(total, sizes[i], &total))
            return tl_fail(TL_ERR_ARGUMENT, "random_split: part %d cannot have %" PRId64 " samples", i, sizes[i]);
    if (total != tl_dataset_size(d))
        return tl_fail(TL_ERR_ARGUMENT, "random_split: the parts add up to %" PRId64 " samples, the data set has %" PRId64, total,
                       tl_dataset_size(d));
    TL_SCOPE
    {
        tl_tensor *order = tl_randperm(total, (struct tl_options){.dtype = TL_I64, .device = "cpu"});
        const int64_t *index = order ? tl_data(order) : NULL;
        if (!order || (!index && total > 0))
            return tl_error_code();
        for (int i = 0; i < n; i++) {
            if (!(out[i] = tl_subset(d, index, sizes[i]))) {
                free_parts(out, i);
                return tl_error_code();
            }
            if (index)
                index += sizes[i];
        }
    }
    return TL_OK;
}

/* ---- By class ---- */

struct labelled {
    int64_t label, sample;
};

static int by_label(const void *a, const void *b)
{
    const struct labelled *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* Mark the test samples among the `count` rows of one class. */
static tl_status mark_class(const struct labelled *row, int64_t count, double share, tl_generator *g, unsigned char *is_test)
{
    int64_t n_test = (int64_t)floor((double)count * share + 0.5);

    TL_SCOPE
    {
        tl_tensor *order = tl_randperm_with(count, g, (struct tl_options){.dtype = TL_I64, .device = "cpu"});
        const int64_t *place = order ? tl_data(order) : NULL;
        if (!place)
            return tl_error_code();
        for (int64_t i = 0; i < n_test; i++)
            is_test[row[place[i]].sample] = 1;
    }
    return TL_OK;
}

static tl_status mark_tests(const int64_t *labels, int64_t n, double share, tl_generator *g, struct labelled *rows,
                            unsigned char *is_test)
{
    for (int64_t i = 0; i < n; i++)
        rows[i] = (struct labelled){labels[i], i};
    qsort(rows, (size_t)n, sizeof *rows, by_label);
    for (int64_t start = 0, end; start < n; start = end) {
        for (end = start; end < n && rows[end].label == rows[start].label; end++)
            continue;
        tl_status s = mark_class(rows + start, end - start, share, g, is_test);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

tl_status tl_stratified_order(const int64_t *labels, int64_t n, double test_share, uint64_t seed, int64_t *order, int64_t *n_test)
{
    if (n < 0 || (n > 0 && (!labels || !order)) || !n_test)
        return tl_fail(TL_ERR_ARGUMENT, "stratified_split: labels and room for the order are needed");
    if (!(test_share >= 0 && test_share <= 1))
        return tl_fail(TL_ERR_ARGUMENT, "stratified_split: the test share must be between 0 and 1, %g given", test_share);

    struct labelled *rows = calloc(n > 0 ? (size_t)n : 1, sizeof *rows);
    unsigned char *is_test = calloc(n > 0 ? (size_t)n : 1, 1);
    tl_generator *g = tl_generator_new(seed);
    tl_status s = rows && is_test && g ? mark_tests(labels, n, test_share, g, rows, is_test)
                                       : tl_fail(TL_ERR_NOMEM, "stratified_split: no memory for %" PRId64 " labels", n);
    if (s == TL_OK) {
        int64_t at = 0;
        for (int part = 0; part < 2; part++)
            for (int64_t i = 0; i < n; i++)
                if (is_test[i] == part)
                    order[at++] = i;
        *n_test = 0;
        for (int64_t i = 0; i < n; i++)
            *n_test += is_test[i];
    }
    tl_generator_free(g);
    free(is_test);
    free(rows);
    return s;
}

/* Fill order with 0 … n-1, ask for those labels, and turn it into the split's order. */
static tl_status order_of(tl_dataset *d, double test_share, uint64_t seed, int64_t *labels, int64_t *order, int64_t *n_test)
{
    int64_t n = tl_dataset_size(d);
    tl_status s = TL_OK;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    if (n > 0)
        s = tl_dataset_labels(d, order, n, labels);
    return s == TL_OK ? tl_stratified_order(labels, n, test_share, seed, order, n_test) : s;
}

static tl_status make_parts(tl_dataset *d, const int64_t *order, int64_t n, int64_t n_test, tl_dataset *out[2])
{
    tl_dataset *train = tl_subset(d, order, n - n_test), *test = train ? tl_subset(d, order + (n - n_test), n_test) : NULL;

    if (!test) {
        tl_dataset_free(train);
        return tl_error_code();
    }
    out[0] = train;
    out[1] = test;
    return TL_OK;
}

tl_status tl_stratified_split(tl_dataset *d, double test_share, uint64_t seed, tl_dataset *out[2])
{
    int64_t n = tl_dataset_size(d), n_test = 0;

    if (!d || !out)
        return tl_fail(TL_ERR_ARGUMENT, "stratified_split: a data set and room for two parts are needed");
    int64_t *labels = calloc((size_t)n + 1, sizeof *labels), *order = calloc((size_t)n + 1, sizeof *order);
    tl_status s = labels && order ? order_of(d, test_share, seed, labels, order, &n_test)
                                  : tl_fail(TL_ERR_NOMEM, "stratified_split: no memory for %" PRId64 " labels", n);
    if (s == TL_OK)
        s = make_parts(d, order, n, n_test, out);
    free(order);
    free(labels);
    return s;
}

/* ---- What plugins are asked for ---- */

tl_status tl_train_test_split(tl_dataset *d, double test_share, uint64_t seed, tl_dataset *out[2])
{
    int64_t n = tl_dataset_size(d), n_test = 0;

    if (!d || !out || tl_dataset_info(d)->n_classes > 0)
        return tl_stratified_split(d, test_share, seed, out);
    int64_t *same = calloc((size_t)n + 1, sizeof *same), *order = calloc((size_t)n + 1, sizeof *order);
    tl_status s = same && order ? tl_stratified_order(same, n, test_share, seed, order, &n_test)
                                : tl_fail(TL_ERR_NOMEM, "train_test_split: no memory for %" PRId64 " samples", n);
    if (s == TL_OK)
        s = make_parts(d, order, n, n_test, out);
    free(order);
    free(same);
    return s;
}

tl_dataset *tl_data_split(tl_dataset *whole, const struct tl_data_request *r)
{
    tl_dataset *part[2] = {0};

    if (!whole || !r || r->split == TL_SPLIT_ALL)
        return whole;
    int which = r->split == TL_SPLIT_TEST;
    dataset_set_name(whole, r->name);
    tl_train_test_split(whole, r->test_share, r->seed, part);
    tl_dataset_free(whole);
    tl_dataset_free(part[1 - which]);
    return part[which];
}

void tl_split_range(const struct tl_data_request *r, int64_t total, int64_t *first, int64_t *size)
{
    if (!r || !first || !size) {
        tl_fail(TL_ERR_ARGUMENT, "split_range: missing argument");
        return;
    }
    int64_t test = (int64_t)floor((double)total * r->test_share + 0.5);
    *first = r->split == TL_SPLIT_TEST ? total - test : 0;
    *size = r->split == TL_SPLIT_ALL ? total : r->split == TL_SPLIT_TEST ? test : total - test;
}

tl_dataset *tl_first_samples(tl_dataset *d, int64_t n)
{
    if (!d || n < 0 || n > tl_dataset_size(d)) {
        tl_fail(TL_ERR_ARGUMENT, "first_samples: %" PRId64 " samples were asked for, the data set has %" PRId64, n, tl_dataset_size(d));
        return NULL;
    }
    int64_t *index = calloc((size_t)n + 1, sizeof *index);
    if (!index) {
        tl_fail(TL_ERR_NOMEM, "first_samples: no memory for %" PRId64 " indices", n);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        index[i] = i;
    tl_dataset *made = tl_subset(d, index, n);
    free(index);
    return made;
}
