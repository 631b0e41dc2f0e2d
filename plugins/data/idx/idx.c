/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugin for idx files, the format of MNIST and Fashion-MNIST, plain or compressed: two zero bytes, a type
 * (8: bytes), the number of dimensions, the dimensions as 32-bit big-endian numbers, the bytes. A picture file has three
 * dimensions, its label file one; pictures become [1, rows, columns]. What the header declares is compared with what was read
 * before anything is made of it.
 */
#include "../common/files.h"
#include "../common/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES ((size_t)1 << 34)
#define MAX_SIDE 65536

static const char *const mnist_classes[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_classes[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                              "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

/* One file, unpacked and checked. */
struct idx {
    char *path;
    struct bytes file;
    int64_t dims[3];
    const unsigned char *data;
};

static void idx_clear(struct idx *x)
{
    free(x->path);
    free(x->file.data);
    *x = (struct idx){0};
}

static tl_status check_header(struct idx *x, int ndim)
{
    const unsigned char *p = x->file.data;
    size_t header = 4 + 4 * (size_t)ndim;
    uint64_t bytes = 1;

    if (x->file.size < 4 || p[0] != 0 || p[1] != 0)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": not an idx file: it does not begin with two zero bytes", x->path);
    if (p[2] != 0x08)
        return tl_fail(TL_ERR_UNSUPPORTED, "\"%s\": byte 2: elements of type 0x%02x; only bytes (0x08) are read here", x->path, p[2]);
    if (p[3] != ndim)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": byte 3: %d dimensions; %s has %d", x->path, p[3], ndim == 3 ? "a picture file" : "a label file",
                       ndim);
    if (x->file.size < header)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": it ends at byte %zu, inside its header of %zu", x->path, x->file.size, header);
    for (int d = 0; d < ndim; d++) {
        const unsigned char *q = p + 4 + 4 * d;
        x->dims[d] = (int64_t)q[0] << 24 | (int64_t)q[1] << 16 | (int64_t)q[2] << 8 | (int64_t)q[3];
        if (d > 0 && (x->dims[d] < 1 || x->dims[d] > MAX_SIDE))
            return tl_fail(TL_ERR_LIMIT, "\"%s\": byte %d: pictures of %" PRId64 " rows or columns; 1 to %d are possible", x->path,
                           4 + 4 * d, x->dims[d], MAX_SIDE);
        bytes *= (uint64_t)x->dims[d]; /* under 2^32 x 2^16 x 2^16: does not overflow */
    }
    if (x->file.size - header < bytes)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\": its dimensions ask for %" PRIu64 " bytes after the header, it has %zu", x->path, bytes,
                       x->file.size - header);
    if (x->file.size - header > bytes)
        return tl_fail(TL_ERR_FORMAT, "\"%s\": %" PRIu64 " bytes follow the last element", x->path, x->file.size - header - bytes);
    x->data = p + header;
    return TL_OK;
}

/* folder/<part>-images-idx3-ubyte, plain or compressed, or with "." before idx as some copies are named; NULL if none is there. */
static char *find_file(const char *folder, const char *part, const char *kind)
{
    char name[80];

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s-%s%cidx%d-ubyte%s", part, kind, i < 2 ? '-' : '.', kind[0] == 'i' ? 3 : 1, i % 2 ? ".gz" : "");
        char *path = files_join(folder, name, "");
        if (path && files_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

/* Takes over path. */
static tl_status read_idx(char *path, int ndim, struct idx *x)
{
    *x = (struct idx){.path = path};
    tl_status s = files_read(path, MAX_BYTES, &x->file);

    if (s == TL_OK)
        s = check_header(x, ndim);
    if (s != TL_OK)
        idx_clear(x);
    return s;
}

/* Add one pair of files to the rows gathered so far. Takes over the paths. */
static tl_status add_pair(char *images_path, char *labels_path, struct rows *r)
{
    struct idx images, labels;
    tl_status s = read_idx(images_path, 3, &images);

    if (s != TL_OK) {
        free(labels_path);
        return s;
    }
    if ((s = read_idx(labels_path, 1, &labels)) != TL_OK) {
        idx_clear(&images);
        return s;
    }
    int64_t n = images.dims[0], width = images.dims[1] * images.dims[2];
    if (labels.dims[0] != n)
        s = tl_fail(TL_ERR_FORMAT, "\"%s\" has %" PRId64 " pictures, \"%s\" %" PRId64 " labels", images.path, n, labels.path,
                    labels.dims[0]);
    for (int64_t i = 0; s == TL_OK && i < n; i++)
        if (labels.data[i] > 9)
            s = tl_fail(TL_ERR_FORMAT, "\"%s\": byte %" PRId64 ": label %d of sample %" PRId64 " is not in 0 to 9", labels.path, 8 + i,
                        labels.data[i], i);
    if (s == TL_OK && r->n > 0 && (images.dims[1] != r->shape[1] || images.dims[2] != r->shape[2]))
        s = tl_fail(TL_ERR_SHAPE, "\"%s\": pictures of %" PRId64 " x %" PRId64 ", others of the set have %" PRId64 " x %" PRId64,
                    images.path, images.dims[1], images.dims[2], r->shape[1], r->shape[2]);
    if (s == TL_OK) { /* sizes are those of files in memory: no overflow */
        size_t had = (size_t)(r->n * width), more = (size_t)(n * width);
        unsigned char *bytes = realloc(r->bytes, had + more + 1);
        int64_t *numbers = realloc(r->labels, (size_t)(r->n + n + 1) * sizeof *numbers);
        r->bytes = bytes ? bytes : r->bytes;
        r->labels = numbers ? numbers : r->labels;
        if (bytes && numbers) {
            memcpy(bytes + had, images.data, more);
            for (int64_t i = 0; i < n; i++)
                numbers[r->n + i] = labels.data[i];
            r->n += n;
            r->shape[0] = 1;
            r->shape[1] = images.dims[1];
            r->shape[2] = images.dims[2];
        } else
            s = tl_fail(TL_ERR_NOMEM, "\"%s\": no memory for %" PRId64 " pictures", images.path, n);
    }
    idx_clear(&images);
    idx_clear(&labels);
    return s;
}

static tl_status add_part(const char *folder, const char *part, struct rows *r)
{
    char *images = find_file(folder, part, "images"), *labels = find_file(folder, part, "labels");

    if (images && labels)
        return add_pair(images, labels, r);
    tl_status s = tl_fail(TL_ERR_NOT_FOUND, "no %s-%s-ubyte or %s-%s-ubyte.gz in \"%s\"", part, images ? "labels-idx1" : "images-idx3",
                          part, images ? "labels-idx1" : "images-idx3", folder);
    free(images);
    free(labels);
    return s;
}

/* A picture file by its path: the label file has the same name with labels-idx1 for images-idx3. */
static tl_status add_by_path(const char *path, struct rows *r)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *images = strstr(base, "images"), *three;

    if (!images || !(three = strstr(images, "idx3")))
        return tl_fail(TL_ERR_ARGUMENT, "\"%s\": name the folder, or the picture file (…images-idx3-ubyte)", path);
    char *first = strdup(path), *second = strdup(path);
    if (!first || !second) {
        free(first);
        free(second);
        return tl_fail(TL_ERR_NOMEM, "idx: no memory for a path");
    }
    memcpy(second + (images - path), "labels", 6);
    second[three - path + 3] = '1';
    return add_pair(first, second, r);
}

static tl_dataset *open_folder(const char *folder, enum tl_split which, struct rows *r)
{
    tl_status s = which != TL_SPLIT_TEST ? add_part(folder, "train", r) : TL_OK;

    if (s == TL_OK && which != TL_SPLIT_TRAIN)
        s = add_part(folder, "t10k", r);
    if (s == TL_OK)
        return rows_dataset(r);
    rows_discard(r);
    return NULL;
}

/* A folder has its own parts; a single file is cut by class. */
static tl_dataset *open_path(const char *path, const struct tl_data_request *q, struct rows *r)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        tl_fail(errno == ENOENT ? TL_ERR_NOT_FOUND : TL_ERR_IO, "cannot open \"%s\": %s", path, strerror(errno));
        return NULL;
    }
    if (S_ISDIR(st.st_mode))
        return open_folder(path, q->split, r);
    if (add_by_path(path, r) == TL_OK)
        return tl_data_split(rows_dataset(r), q);
    rows_discard(r);
    return NULL;
}

static bool holds_pictures(const char *folder, const char *name)
{
    (void)name;
    char *train = find_file(folder, "train", "images"), *test = find_file(folder, "t10k", "images");
    bool found = train || test;

    free(train);
    free(test);
    return found;
}

static tl_dataset *idx_open(const struct tl_data_request *q)
{
    bool fashion = strcmp(q->name, "fashion-mnist") == 0;
    struct rows r = {.ndim = 3, .raw = tl_config_bool(q->config, "raw"), .byte_scale = 255, .n_classes = 10,
                     .classes = fashion ? fashion_classes : mnist_classes};
    char looked[600] = "";

    if (q->path)
        return open_path(q->path, q, &r);
    if (strcmp(q->name, "idx") == 0) {
        tl_fail(TL_ERR_ARGUMENT, "idx: give the path of a folder or a picture file");
        return NULL;
    }
    char *folder = files_find(q->name, holds_pictures, NULL, looked, sizeof looked);
    tl_dataset *d = folder ? open_folder(folder, q->split, &r) : NULL;
    if (!folder)
        tl_fail(TL_ERR_NOT_FOUND, "%s: no train-images-idx3-ubyte(.gz) in %s; put the four files there, or set TELAR_DATA", q->name, looked);
    free(folder);
    return d;
}

static const struct tl_plugin_option options[] = {ROWS_OPTION_RAW, {0}};

/* Some file of it is enough: what is missing of the others, opening it tells. */
static enum tl_folder reads_folder(const char *path)
{
    return files_some_like(path, "*-ubyte") || files_some_like(path, "*-ubyte.gz") ? TL_FOLDER_KNOWN : TL_FOLDER_NO;
}

static const char *const endings[] = {"-ubyte", "-ubyte.gz", NULL};

#define IDX_SOURCE(variable, name_, ...) \
    static const struct tl_data_source variable = {.struct_size = sizeof(struct tl_data_source), .flags = TL_DATA_OWN_SPLIT, \
                                                   .name = name_, .options = options, .open = idx_open, .summary = __VA_ARGS__}
IDX_SOURCE(mnist, "mnist", "70,000 handwritten digits of 28 x 28 (idx files in $TELAR_DATA/mnist)");
IDX_SOURCE(fashion_mnist, "fashion-mnist", "70,000 pieces of clothing of 28 x 28 (idx files in $TELAR_DATA/fashion-mnist)");
IDX_SOURCE(idx, "idx", "any pair of idx files: pictures and labels 0 to 9", .endings = endings, .reads_folder = reads_folder);

TL_DATA_PLUGIN("idx", "1.0", "MNIST, Fashion-MNIST and other idx files", &mnist, &fashion_mnist, &idx);
