/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugin for CIFAR-10's binary version: records of 3,073 bytes, a label and then a picture of 3 x 32 x 32, plane by
 * plane. The training part is every data_batch_*.bin of the folder in the order of their names, the test part test_batch.bin;
 * a folder without the latter is cut by class, as is a single file given by its path.
 */
#include "../common/files.h"
#include "../common/rows.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIXELS ((size_t)3072)
#define RECORD (PIXELS + 1)
#define MAX_BYTES ((size_t)1 << 34)

static const char *const classes[] = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

static tl_status add_file(const char *path, struct rows *r)
{
    struct bytes file;
    tl_status s = files_read(path, MAX_BYTES, &file);

    if (s != TL_OK)
        return s;
    size_t n = file.size / RECORD, had = (size_t)r->n;
    if (file.size == 0)
        s = tl_fail(TL_ERR_TRUNCATED, "\"%s\": the file is empty", path);
    else if (file.size % RECORD)
        s = tl_fail(TL_ERR_TRUNCATED, "\"%s\": %zu bytes are not a whole number of records of %zu; the last one ends after %zu", path,
                    file.size, RECORD, file.size % RECORD);
    for (size_t i = 0; s == TL_OK && i < n; i++)
        if (file.data[i * RECORD] > 9)
            s = tl_fail(TL_ERR_FORMAT, "\"%s\": byte %zu: label %d of record %zu is not in 0 to 9", path, i * RECORD,
                        file.data[i * RECORD], i);
    if (s == TL_OK) { /* sizes are those of files in memory: no overflow */
        unsigned char *bytes = realloc(r->bytes, (had + n) * PIXELS);
        int64_t *labels = realloc(r->labels, (had + n) * sizeof *labels);
        r->bytes = bytes ? bytes : r->bytes;
        r->labels = labels ? labels : r->labels;
        if (!bytes || !labels)
            s = tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %zu pictures", path, n);
        for (size_t i = 0; s == TL_OK && i < n; i++) {
            labels[had + i] = file.data[i * RECORD];
            memcpy(bytes + (had + i) * PIXELS, file.data + i * RECORD + 1, PIXELS);
        }
        if (s == TL_OK)
            r->n += (int64_t)n;
    }
    free(file.data);
    return s;
}

static int is_training(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return strncmp(e->d_name, "data_batch_", 11) == 0 && n > 4 && strcmp(e->d_name + n - 4, ".bin") == 0;
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static tl_status add_training(const char *folder, struct rows *r)
{
    struct dirent **list = NULL;
    int n = scandir(folder, &list, is_training, by_name);
    tl_status s = TL_OK;

    if (n < 0)
        return tl_fail(TL_ERR_IO, "cannot list \"%s\": %s", folder, strerror(errno));
    if (n == 0)
        s = tl_fail(TL_ERR_NOT_FOUND, "no data_batch_*.bin in \"%s\"", folder);
    for (int i = 0; i < n; i++) {
        char *path = s == TL_OK ? files_join(folder, list[i]->d_name, "") : NULL;
        if (s == TL_OK)
            s = path ? add_file(path, r) : TL_ERR_NOMEM;
        free(path);
        free(list[i]);
    }
    free(list);
    return s;
}

/* The part of a folder that is asked for; without a test file, the training files are cut in two. */
static tl_dataset *open_folder(const char *folder, const struct tl_data_request *q, struct rows *r)
{
    char *test = files_join(folder, "test_batch", ".bin");
    bool has_test = test && files_exists(test);
    tl_status s = test ? TL_OK : TL_ERR_NOMEM;

    if (s == TL_OK && (q->split != TL_SPLIT_TEST || !has_test))
        s = add_training(folder, r);
    if (s == TL_OK && q->split != TL_SPLIT_TRAIN && has_test)
        s = add_file(test, r);
    free(test);
    if (s != TL_OK) {
        rows_discard(r);
        return NULL;
    }
    if (has_test || q->split == TL_SPLIT_ALL)
        return rows_dataset(r);
    tl_log_message(TL_LOG_INFO, "data", "cifar10: no test_batch.bin in %s: the training files are cut by class", folder);
    return tl_data_split(rows_dataset(r), q);
}

static tl_dataset *open_path(const char *path, const struct tl_data_request *q, struct rows *r)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return open_folder(path, q, r);
    if (add_file(path, r) != TL_OK) {
        rows_discard(r);
        return NULL;
    }
    return tl_data_split(rows_dataset(r), q);
}

static bool is_there(const char *folder, const char *name)
{
    (void)name;
    return files_exists(folder);
}

static tl_dataset *cifar10_open(const struct tl_data_request *q)
{
    static const char *const sets[] = {"cifar10", "cifar-10-batches-bin"};
    struct rows r = {.ndim = 3, .shape = {3, 32, 32}, .raw = tl_config_bool(q->config, "raw"), .byte_scale = 255, .n_classes = 10,
                     .classes = classes};
    char looked[600] = "", *folder = NULL;

    if (q->path)
        return open_path(q->path, q, &r);
    for (size_t k = 0; k < 2 && !folder; k++)
        folder = files_find(sets[k], is_there, NULL, looked, sizeof looked);
    tl_dataset *d = folder ? open_folder(folder, q, &r) : NULL;
    if (!folder)
        tl_fail(TL_ERR_NOT_FOUND, "cifar10: none of these folders is there: %s; unpack the binary version there, or set TELAR_DATA", looked);
    free(folder);
    return d;
}

static enum tl_folder reads_folder(const char *path)
{
    return files_some_like(path, "*_batch.bin") || files_some_like(path, "data_batch_*") ? TL_FOLDER_KNOWN : TL_FOLDER_NO;
}

static const char *const endings[] = {".bin", NULL};

static const struct tl_plugin_option options[] = {ROWS_OPTION_RAW, {0}};

static const struct tl_data_source cifar10 = {
    .struct_size = sizeof(struct tl_data_source),
    .flags = TL_DATA_OWN_SPLIT,
    .name = "cifar10",
    .summary = "60,000 colour pictures of 32 x 32, 10 classes (binary version in $TELAR_DATA/cifar10)",
    .options = options,
    .open = cifar10_open,
    .endings = endings,
    .reads_folder = reads_folder,
};

TL_DATA_PLUGIN("cifar10", "1.0", "CIFAR-10, binary version", &cifar10);
