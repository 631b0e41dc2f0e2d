/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader: PyTorch's order of samples (golden/loader.txt), the same batches whatever the number of workers, transforms,
 * errors that name the sample, early stops, empty and small data sets, many loaders at once. Also run under the thread
 * sanitizer.
 */
#include "tap.h"

#include <inttypes.h>
#include <pthread.h>
#include <telar/data.h>
#include <telar/telar.h>
#include <time.h>

#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

/* 0 … n-1 as a data set of one column. */
static tl_dataset *counting(int64_t n)
{
    int64_t *v = calloc((size_t)n + 1, sizeof *v);
    tl_dataset *d = NULL;

    for (int64_t i = 0; i < n; i++)
        v[i] = i;
    TL_SCOPE
    {
        tl_tensor *t = tl_from_data(TL_SHAPE(n), v, HOST(TL_I64));
        d = t ? tl_tensor_dataset(1, &t) : NULL;
    }
    free(v);
    return d;
}

/* ---- A data set that fails for one sample, and counts what lives ---- */

struct faulty {
    int64_t bad;
};

static tl_status faulty_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct faulty *self = tl_dataset_private(d);

    for (int64_t i = 0; i < n; i++)
        if (index[i] == self->bad)
            return tl_fail(TL_ERR_FORMAT, "the picture is damaged");
    out[0] = tl_from_data(TL_SHAPE(n), index, HOST(TL_I64));
    return out[0] ? TL_OK : tl_error_code();
}

static const struct tl_dataset_class faulty_class = {sizeof faulty_class, "faulty", faulty_batch, NULL, NULL};

static tl_dataset *faulty(int64_t n, int64_t bad)
{
    tl_dataset *d = tl_dataset_new(&faulty_class, sizeof(struct faulty), .size = n, .n_fields = 1);

    ((struct faulty *)tl_dataset_private(d))->bad = bad;
    return d;
}

/* One epoch; gathers the samples' numbers. Returns how many, -1 on an error. */
static int64_t epoch(tl_loader *l, int64_t *order, int64_t room)
{
    int64_t n = 0;
    int more = 1;

    if (tl_loader_start(l) != TL_OK)
        return -1;
    while (more == 1)
        TL_SCOPE
        {
            tl_tensor *batch[TL_MAX_FIELDS];
            if ((more = tl_loader_next(l, batch)) != 1)
                break;
            int64_t count = tl_numel(batch[0]);
            if (n + count > room || tl_copy_out(batch[0], TL_I64, order + n, (size_t)count * sizeof *order) != TL_OK)
                return -1;
            n += count;
        }
    return more == 0 ? n : -1;
}

/* ---- PyTorch's order ---- */

static int64_t read_numbers(char **at, int64_t *to, int64_t room)
{
    int64_t n = 0;
    char *end;

    for (;; *at = end, n++) {
        int64_t v = strtoll(*at, &end, 10);
        if (end == *at)
            break;
        if (n < room)
            to[n] = v;
    }
    *at += strspn(*at, " :\n");
    return n;
}

static bool same_order(const int64_t *got, int64_t n, const int64_t *want, int64_t m)
{
    if (n == m && memcmp(got, want, (size_t)n * sizeof *got) == 0)
        return true;
    diag("%lld samples, expected %lld: %lld %lld %lld …, expected %lld %lld %lld", (long long)n, (long long)m, (long long)got[0],
         (long long)got[1], (long long)got[2], (long long)want[0], (long long)want[1], (long long)want[2]);
    return false;
}

static bool same_draw(int64_t want)
{
    bool same = false;

    TL_SCOPE
    {
        tl_tensor *t = tl_randint(0, 1000000, TL_SHAPE(1), HOST(TL_I64));
        same = t && tl_item_i64(t) == want;
    }
    return same;
}

static void check_split_line(char *at)
{
    int64_t head[3], want[64], got[64] = {0}, draw[1];
    tl_dataset *all = counting(20), *part[2] = {0};

    read_numbers(&at, head, 3);
    int64_t n = read_numbers(&at, want, 64);
    read_numbers(&at, draw, 1);
    tl_manual_seed((uint64_t)head[0]);
    ok(tl_random_split(all, 2, head + 1, part) == TL_OK, "random_split, seed %" PRId64, head[0]);
    int64_t m = 0;
    for (int p = 0; p < 2; p++) {
        tl_loader *l = tl_loader_new(part[p], .batch_size = 4);
        tl_generator *g = tl_generator_new(1); /* keeps the loader's base seed out of the default generator */
        tl_loader_free(l);
        l = tl_loader_new(part[p], .batch_size = 4, .generator = g);
        m += epoch(l, got + m, 64 - m);
        tl_loader_free(l);
        tl_generator_free(g);
    }
    ok(same_order(got, m, want, n) && same_draw(draw[0]), "random_split gives PyTorch's parts, seed %" PRId64, head[0]);
    tl_dataset_free(part[0]);
    tl_dataset_free(part[1]);
    tl_dataset_free(all);
}

/* Lines of one loader follow each other, epoch after epoch. */
static void check_golden(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/loader.txt", "r");
    char line[4096];
    tl_dataset *d = NULL;
    tl_loader *l = NULL;
    tl_generator *g = NULL;
    int lines = 0;

    if (!f)
        bail_out("no golden/loader.txt");
    while (fgets(line, sizeof line, f)) {
        int64_t head[7] = {0}, want[64], got[64] = {0}, draw[1];
        char *at = line;
        if (strncmp(line, "split ", 6) == 0) {
            check_split_line(line + 6);
            lines++;
        }
        if (strncmp(line, "loader ", 7) != 0)
            continue;
        at += 7;
        read_numbers(&at, head, 7);
        int64_t n = read_numbers(&at, want, 64);
        read_numbers(&at, draw, 1);
        if (head[6] == 0) {
            tl_loader_free(l);
            tl_dataset_free(d);
            tl_generator_free(g);
            d = counting(head[1]);
            g = head[5] ? tl_generator_new((uint64_t)head[0] + 1) : NULL;
            l = tl_loader_new(d, .batch_size = head[2], .workers = (int)head[3], .shuffle = head[4] != 0, .generator = g);
            tl_manual_seed((uint64_t)head[0]);
        }
        int64_t m = epoch(l, got, 64);
        ok(same_order(got, m, want, n) && same_draw(draw[0]), "PyTorch's order: seed %" PRId64 ", %" PRId64 " samples, %" PRId64
           " workers, shuffle %" PRId64 ", own generator %" PRId64 ", epoch %" PRId64, head[0], head[1], head[3], head[4], head[5],
           head[6]);
        lines++;
    }
    ok(lines > 200, "all of the golden file was read: %d lines", lines);
    tl_loader_free(l);
    tl_dataset_free(d);
    tl_generator_free(g);
    fclose(f);
}

/* ---- Behaviour ---- */

static tl_status add_seed(struct tl_batch *b, void *ctx)
{
    int64_t *seeds = ctx;

    seeds[b->number] = (int64_t)b->seed; /* one writer a number */
    tl_tensor *t = tl_from_data(TL_SHAPE(b->n), b->index, HOST(TL_I64));
    int64_t *v = tl_data_mut(t);
    for (int64_t i = 0; i < b->n; i++)
        v[i] = v[i] * 2 + 1;
    b->fields[0] = t;
    return TL_OK;
}

static void check_transform(void)
{
    int64_t first[101], seeds[2][40], got[101];
    tl_dataset *d = counting(100);

    for (int workers = 0; workers < 5; workers += 2) {
        tl_loader *l = tl_loader_new(d, .batch_size = 7, .shuffle = true, .workers = workers, .transform = add_seed,
                                     .ctx = seeds[workers > 0]);
        tl_manual_seed(3);
        is_int(epoch(l, got, 101), 100, "a transformed epoch with %d workers", workers);
        if (workers == 0)
            memcpy(first, got, sizeof first);
        ok(memcmp(first, got, 100 * sizeof *got) == 0 && got[0] % 2 == 1, "its batches do not depend on the workers");
        ok(workers == 0 || memcmp(seeds[0], seeds[1], 15 * sizeof **seeds) == 0, "nor do the seeds of transforms");
        tl_loader_free(l);
    }
    tl_dataset_free(d);
}

static tl_status fail_third(struct tl_batch *b, void *ctx)
{
    (void)ctx;
    return b->number == 3 ? tl_fail(TL_ERR_ARGUMENT, "cannot augment") : TL_OK;
}

static tl_status leave_empty(struct tl_batch *b, void *ctx)
{
    (void)ctx;
    b->fields[0] = NULL;
    return TL_OK;
}

static void check_errors(void)
{
    tl_dataset *d = faulty(50, 17), *good = counting(50);

    for (int workers = 0; workers < 4; workers += 3) {
        tl_loader *l = tl_loader_new(d, .batch_size = 5, .workers = workers);
        int made = 0, failed = 0, r;
        ok(tl_loader_start(l) == TL_OK, "an epoch over a data set with a bad sample, %d workers", workers);
        for (int i = 0; i < 20; i++)
            TL_SCOPE
            {
                tl_tensor *b[TL_MAX_FIELDS];
                r = tl_loader_next(l, b);
                made += r == 1;
                if (r == -1) {
                    failed++;
                    is_int(tl_error_code(), TL_ERR_FORMAT, "the error's code arrives");
                    contains(tl_error_message(), "sample 17", "the sample is named");
                    contains(tl_error_message(), "the picture is damaged", "in the data set's own words");
                    tl_error_clear();
                }
            }
        is_int(made, 9, "the other batches are delivered");
        is_int(failed, 1, "one is not");
        tl_loader_free(l);

        l = tl_loader_new(good, .batch_size = 5, .workers = workers, .transform = fail_third);
        int64_t order[64];
        is_int(epoch(l, order, 64), -1, "a transform that fails");
        contains(tl_error_message(), "batch 4", "the batch is named");
        contains(tl_error_message(), "cannot augment", "with the transform's words");
        tl_error_clear();
        tl_loader_free(l);
        l = tl_loader_new(good, .batch_size = 5, .workers = workers, .transform = leave_empty);
        is_int(epoch(l, order, 64), -1, "a transform that leaves a hole");
        contains(tl_error_message(), "field 0 empty", "is told so");
        tl_error_clear();
        tl_loader_free(l);
    }
    tl_dataset_free(good);
    tl_dataset_free(d);
}

static void check_options(void)
{
    tl_dataset *d = counting(10), *none = counting(0);
    tl_tensor *b[TL_MAX_FIELDS];
    int64_t order[16];

    ok(!tl_loader_new(d, .batch_size = -1) && tl_error_code() == TL_ERR_ARGUMENT, "a negative batch size");
    tl_error_clear();
    ok(!tl_loader_new(d, .workers = 1000000) && tl_error_code() == TL_ERR_ARGUMENT, "too many workers");
    tl_error_clear();
    ok(!tl_loader_new(NULL, .workers = 1) && tl_error_code() == TL_ERR_ARGUMENT, "no data set");
    tl_error_clear();

    tl_loader *l = tl_loader_new(d);
    is_int(tl_loader_length(l), 10, "the default batch size is 1");
    is_int(tl_loader_next(l, b), -1, "next before start");
    is_int(tl_error_code(), TL_ERR_STATE, "is an error of state");
    tl_error_clear();
    tl_loader_free(l);

    l = tl_loader_new(d, .batch_size = 4, .drop_last = true, .workers = 2);
    is_int(tl_loader_length(l), 2, "drop_last: batches");
    is_int(epoch(l, order, 16), 8, "drop_last: samples");
    is_int(tl_loader_next(l, b), 0, "after the end comes the end");
    tl_loader_free(l);

    l = tl_loader_new(d, .batch_size = 64, .shuffle = true, .workers = 3);
    is_int(epoch(l, order, 16), 10, "a batch larger than the set");
    tl_loader_free(l);
    l = tl_loader_new(d, .batch_size = 64, .drop_last = true);
    is_int(epoch(l, order, 16), 0, "dropped, that leaves none");
    tl_loader_free(l);

    for (int workers = 0; workers < 3; workers++) {
        l = tl_loader_new(none, .batch_size = 4, .shuffle = true, .workers = workers);
        is_int(epoch(l, order, 16), 0, "an empty data set, %d workers", workers);
        tl_loader_free(l);
    }
    tl_dataset_free(none);
    tl_dataset_free(d);
}

/* Stop anywhere in an epoch: workers end, and nothing is lost. */
static void check_early_stop(void)
{
    tl_dataset *d = NULL;

    TL_SCOPE
    {
        tl_tensor *t = tl_zeros(TL_SHAPE(1000, 500), HOST(TL_F32)); /* wide rows, since small tensors are not counted */
        d = tl_tensor_dataset(1, &t);
    }
    size_t before = tl_memory_stats("cpu").allocated;

    for (int taken = 0; taken < 12; taken++) {
        tl_loader *l = tl_loader_new(d, .batch_size = 8, .shuffle = true, .workers = 3, .prefetch = 4);
        tl_loader_start(l);
        for (int i = 0; i < taken; i++)
            TL_SCOPE
            {
                tl_tensor *b[TL_MAX_FIELDS];
                if (tl_loader_next(l, b) != 1)
                    fail("batch %d", i);
            }
        if (taken % 2)
            tl_loader_start(l); /* give up the epoch and begin another */
        tl_loader_free(l);
    }
    is_int(tl_memory_stats("cpu").allocated, before, "nothing is left after stops in the middle");
    tl_dataset_free(d);
}

static void *reader(void *arg)
{
    int64_t *sum = arg, order[600];
    tl_dataset *d = counting(500);
    tl_generator *g = tl_generator_new(5);
    tl_loader *l = tl_loader_new(d, .batch_size = 16, .shuffle = true, .workers = 2, .generator = g);

    for (int e = 0; e < 3; e++) {
        int64_t n = epoch(l, order, 600);
        for (int64_t i = 0; i < n; i++)
            *sum += order[i] * (i + 1) % 1000003;
    }
    tl_loader_free(l);
    tl_generator_free(g);
    tl_dataset_free(d);
    return NULL;
}

static void check_many(void)
{
    pthread_t thread[4];
    int64_t sum[4] = {0};

    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, reader, &sum[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    ok(sum[0] != 0 && sum[0] == sum[1] && sum[1] == sum[2] && sum[2] == sum[3], "four loaders in four threads agree");
}

/* ---- Tensor data sets, subsets ---- */

static void check_datasets(void)
{
    TL_SCOPE
    {
        float x[24];
        int64_t y[6] = {0, 1, 0, 1, 2, 2}, index[3] = {5, 0, 5}, labels[3];
        for (int i = 0; i < 24; i++)
            x[i] = (float)i;
        tl_tensor *fields[2] = {tl_from_data(TL_SHAPE(6, 2, 2), x, HOST(TL_F32)), tl_from_data(TL_SHAPE(6), y, HOST(TL_I64))}, *b[2];
        tl_dataset *d = tl_tensor_dataset(2, fields);
        ok(d && tl_dataset_size(d) == 6 && tl_dataset_info(d)->ndim == 2 && tl_dataset_info(d)->shape[1] == 2, "a tensor data set");
        ok(tl_dataset_batch(d, index, 3, b) == TL_OK, "rows of it");
        const float *v = tl_data(b[0]);
        ok(v[0] == 20 && v[4] == 0 && v[11] == 23, "are the right ones");
        ok(tl_dataset_labels(d, index, 3, labels) == TL_OK && labels[0] == 2 && labels[1] == 0, "and their labels");
        int64_t bad = 6;
        is_int(tl_dataset_batch(d, &bad, 1, b), TL_ERR_INDEX, "an index past the end");
        contains(tl_error_message(), "index 6", "is named");
        tl_error_clear();
        bad = -1;
        is_int(tl_dataset_batch(d, &bad, 1, b), TL_ERR_INDEX, "a negative index");
        tl_error_clear();

        tl_dataset *sub = tl_subset(d, index, 3);
        tl_dataset_free(d); /* the subset keeps it */
        bad = 1;
        ok(tl_dataset_batch(sub, &bad, 1, b) == TL_OK && ((const float *)tl_data(b[0]))[3] == 3, "a subset keeps its data set");
        ok(tl_dataset_labels(sub, &bad, 1, labels) == TL_OK && labels[0] == 0, "and its labels");
        bad = 3;
        is_int(tl_dataset_batch(sub, &bad, 1, b), TL_ERR_INDEX, "an index past a subset's end");
        tl_error_clear();
        ok(!tl_subset(sub, &bad, 1) && tl_error_code() == TL_ERR_INDEX, "a subset of what is not there");
        tl_error_clear();
        tl_dataset_free(sub);

        fields[1] = tl_from_data(TL_SHAPE(5), y, HOST(TL_I64));
        ok(!tl_tensor_dataset(2, fields) && tl_error_code() == TL_ERR_SHAPE, "tensors of different first sizes");
        contains(tl_error_message(), "6 rows and tensor 1 has 5", "both sizes are told");
        tl_error_clear();
        int64_t sizes[2] = {3, 4};
        tl_dataset *c = counting(6), *parts[2];
        is_int(tl_random_split(c, 2, sizes, parts), TL_ERR_ARGUMENT, "parts that do not add up");
        tl_error_clear();
        tl_dataset_free(c);
    }
}

static void check_stratified(void)
{
    int64_t labels[100], order[100], again[100], n_test, count[2][3] = {{0}};

    for (int i = 0; i < 100; i++)
        labels[i] = i < 60 ? 5 : i < 90 ? -1 : 7;
    ok(tl_stratified_order(labels, 100, 0.2, 9, order, &n_test) == TL_OK && n_test == 20, "a stratified split");
    for (int i = 0; i < 100; i++)
        count[i >= 80][order[i] < 60 ? 0 : order[i] < 90 ? 1 : 2]++;
    ok(count[1][0] == 12 && count[1][1] == 6 && count[1][2] == 2 && count[0][0] == 48, "has the share of every class");
    bool ascending = true;
    for (int i = 1; i < 100; i++)
        ascending = ascending && (i == 80 || order[i] > order[i - 1]);
    ok(ascending, "in the order of the samples");
    ok(tl_stratified_order(labels, 100, 0.2, 9, again, &n_test) == TL_OK && memcmp(order, again, sizeof order) == 0, "the same by the same seed");
    ok(tl_stratified_order(labels, 100, 0.2, 10, again, &n_test) == TL_OK && memcmp(order, again, sizeof order) != 0, "another by another");
    is_int(tl_stratified_order(labels, 100, 1.5, 9, order, &n_test), TL_ERR_ARGUMENT, "a share over 1");
    tl_error_clear();
    is_int(tl_stratified_order(labels, 100, NAN, 9, order, &n_test), TL_ERR_ARGUMENT, "a share that is no number");
    tl_error_clear();
    is_int(tl_stratified_order(labels, 0, 0.2, 9, order, &n_test), TL_OK, "no samples");
}

/* ---- Scaler: numbers from scikit-learn 1.x's StandardScaler ---- */

static void check_scaler(void)
{
    TL_SCOPE
    {
        double x[8] = {1, 10, 2, 10, 4, 10, 9, 10};
        tl_tensor *t = tl_from_data(TL_SHAPE(4, 2), x, HOST(TL_F64));
        tl_scaler *s = tl_scaler_fit(t);
        ok(s && tl_scaler_columns(s) == 2 && tl_scaler_mean(s)[0] == 4 && tl_scaler_mean(s)[1] == 10, "the scaler's means");
        is_float(tl_scaler_deviation(s)[0], 3.0822070014844885, 1e-15, "the population's deviation");
        is_float(tl_scaler_deviation(s)[1], 1, 0, "a constant column keeps its scale");
        tl_tensor *z = tl_scaler_transform(s, t), *back = tl_scaler_inverse(s, z);
        is_float(((const double *)tl_data(z))[6], 1.6222142113076254, 1e-15, "a scaled value");
        is_float(((const double *)tl_data(back))[6], 9, 1e-14, "and back");
        tl_state *state = tl_state_new();
        ok(tl_scaler_save(s, state, "scaler.") == TL_OK && tl_state_get(state, "scaler.mean"), "it goes into a state");
        tl_scaler *again = tl_scaler_load(state, "scaler.");
        ok(again && tl_scaler_deviation(again)[0] == tl_scaler_deviation(s)[0], "and comes back");
        ok(!tl_scaler_load(state, "other.") && tl_error_code() == TL_ERR_NOT_FOUND, "under its own name only");
        tl_error_clear();
        tl_scaler_free(again);
        tl_state_free(state);
        tl_tensor *wide = tl_zeros(TL_SHAPE(2, 3), HOST(TL_F64));
        ok(!tl_scaler_transform(s, wide) && tl_error_code() == TL_ERR_SHAPE, "a table of other columns");
        tl_error_clear();
        tl_scaler_free(s);
        double flat[4] = {1e10, 1e10 + 4e-6, 1e10, 1e10 + 2e-6};
        s = tl_scaler_fit(tl_from_data(TL_SHAPE(4, 1), flat, HOST(TL_F64)));
        is_float(s ? tl_scaler_deviation(s)[0] : 0, 1, 0, "a column that differs by rounding only is constant");
        tl_scaler_free(s);
        x[3] = NAN;
        ok(!tl_scaler_fit(tl_from_data(TL_SHAPE(4, 2), x, HOST(TL_F64))) && tl_error_code() == TL_ERR_ARGUMENT, "NaN in the data");
        contains(tl_error_message(), "row 1, column 1", "its place is told");
        tl_error_clear();
        ok(!tl_scaler_fit(tl_zeros(TL_SHAPE(0, 2), HOST(TL_F64))) && tl_error_code() == TL_ERR_SHAPE, "an empty table");
        tl_error_clear();
    }
}

int main(void)
{
    check_golden();
    check_transform();
    check_errors();
    check_options();
    check_early_stop();
    check_many();
    check_datasets();
    check_stratified();
    check_scaler();
    return done_testing();
}
