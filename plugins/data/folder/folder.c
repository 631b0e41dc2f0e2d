/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugin for folders of pictures: one subfolder a class, classes and files in the order of their names, JPEG and PNG.
 * Opening lists files only; pictures are decoded when a batch asks for them, on the loader's threads. Every picture has the size
 * of the first, or is brought to a size: by a height and a width, or by a length of the shorter side and a square that is cut out of the middle. A folder with train/ and test/ in it has those parts;
 * any other is cut by class. A path to one picture is a data set, too: of one sample, without a label.
 */
#include "picture.h"

#include "../common/files.h"
#include "../common/rows.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define MAX_FILE ((size_t)1 << 30)

struct folder {
    char **classes;
    int64_t n_classes;
    char **paths;
    int64_t *labels; /* NULL: a single picture */
    int64_t n, room;
    int64_t height, width;
    int64_t shorter, crop; /* 0: not resized to that, not cut */
    int channels; /* 3, or 1 if grey */
    bool resize, raw;
    float table[256];
};

static void folder_clear(struct folder *f)
{
    for (int64_t i = 0; i < f->n_classes; i++)
        free(f->classes[i]);
    for (int64_t i = 0; i < f->n; i++)
        free(f->paths[i]);
    free(f->classes);
    free(f->paths);
    free(f->labels);
    *f = (struct folder){0};
}

/* ---- Batches ------------------------------------------------------------------------------------------------------ */

static tl_status load_picture(const struct folder *f, const char *path, struct picture *p)
{
    struct bytes file;
    tl_status s = files_read(path, MAX_FILE, &file);

    if (s != TL_OK)
        return s;
    s = picture_decode(path, file.data, file.size, false, p);
    free(file.data);
    if (s == TL_OK && f->channels == 1)
        picture_to_grey(p);
    if (s == TL_OK && f->shorter)
        s = picture_resize_shorter(path, p, f->shorter);
    if (s == TL_OK && f->crop)
        s = picture_crop(path, p, f->crop);
    if (s == TL_OK && f->resize)
        s = picture_resize(path, p, f->height, f->width);
    else if (s == TL_OK && (p->height != f->height || p->width != f->width))
        s = tl_fail(TL_ERR_SHAPE, "\"%s\": the picture is %" PRId64 " x %" PRId64 ", the first of the folder %" PRId64 " x %" PRId64
                    "; give a height and a width to resize to", path, p->height, p->width, f->height, f->width);
    if (s != TL_OK) {
        free(p->pixels);
        p->pixels = NULL;
    }
    return s;
}

/* Interleaved bytes to planes, of bytes or of numbers in [0, 1]. */
static void to_planes(const struct folder *f, const struct picture *p, unsigned char *bytes, float *floats)
{
    size_t plane = (size_t)(p->height * p->width), channels = (size_t)f->channels;

    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < channels; c++)
            if (bytes)
                bytes[c * plane + i] = p->pixels[i * 3 + c];
            else
                floats[c * plane + i] = f->table[p->pixels[i * 3 + c]];
}

static tl_status folder_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out)
{
    const struct folder *f = tl_dataset_private(d);
    size_t each = (size_t)(f->height * f->width * f->channels);

    void *to = tl_batch_field(&out[0], f->raw ? TL_U8 : TL_F32, TL_SHAPE(n, f->channels, f->height, f->width));
    int64_t *labels = to && f->labels ? tl_batch_field(&out[1], TL_I64, TL_SHAPE(n)) : NULL;
    if (!to || (f->labels && !labels))
        return tl_error_code();
    for (int64_t i = 0; i < n; i++) {
        struct picture p = {0};
        tl_status s = load_picture(f, f->paths[index[i]], &p);
        if (s != TL_OK)
            return s;
        if (f->raw)
            to_planes(f, &p, (unsigned char *)to + (size_t)i * each, NULL);
        else
            to_planes(f, &p, NULL, (float *)to + (size_t)i * each);
        free(p.pixels);
        if (labels)
            labels[i] = f->labels[index[i]];
    }
    return TL_OK;
}

static tl_status folder_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out)
{
    const struct folder *f = tl_dataset_private(d);

    if (!f->labels)
        return tl_fail(TL_ERR_DTYPE, "\"%s\": a single picture has no label", f->paths[0]);
    for (int64_t i = 0; i < n; i++)
        out[i] = f->labels[index[i]];
    return TL_OK;
}

static void folder_destroy(tl_dataset *d)
{
    folder_clear(tl_dataset_private(d));
}

static const struct tl_dataset_class folder_class = {
    .struct_size = sizeof(struct tl_dataset_class),
    .name = "folder",
    .batch = folder_batch,
    .destroy = folder_destroy,
    .labels = folder_labels,
};

/* ---- Listing ------------------------------------------------------------------------------------------------------ */

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static bool is_picture_name(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 || strcasecmp(dot, ".png") == 0);
}

static int is_picture(const struct dirent *e)
{
    return e->d_name[0] != '.' && is_picture_name(e->d_name);
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names in a folder that pass `filter`, in order; -1 and an error. */
static int list_names(const char *folder, int (*filter)(const struct dirent *), struct dirent ***list)
{
    int n = scandir(folder, list, filter, by_name);

    if (n < 0)
        tl_fail(errno == ENOENT ? TL_ERR_NOT_FOUND : errno == ENOMEM ? TL_ERR_NOMEM : TL_ERR_IO, "cannot list \"%s\": %s", folder,
                strerror(errno));
    return n;
}

static void free_names(struct dirent **list, int n)
{
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A file (a pipe is told to be none when it is read), or what would be one if it were there. */
static bool is_single(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? !S_ISDIR(st.st_mode) : is_picture_name(path);
}

static tl_status add_picture(struct folder *f, char *path, int64_t label)
{
    if (!path)
        return tl_error_code();
    if (f->n == f->room) {
        int64_t more = f->room ? f->room * 2 : 256;
        char **paths = realloc(f->paths, (size_t)more * sizeof *paths);
        f->paths = paths ? paths : f->paths;
        int64_t *labels = paths ? realloc(f->labels, (size_t)more * sizeof *labels) : NULL;
        f->labels = labels ? labels : f->labels;
        if (!labels) {
            free(path);
            return tl_fail(TL_ERR_NOMEM, "folder: no memory for %" PRId64 " paths", more);
        }
        f->room = more;
    }
    f->paths[f->n] = path;
    f->labels[f->n++] = label;
    return TL_OK;
}

/* A class that is to be learnt has pictures, as in PyTorch; of those to test on it may have none. */
static tl_status add_class(struct folder *f, const char *folder, int64_t label, bool may_be_empty)
{
    struct dirent **list = NULL;
    int n = list_names(folder, is_picture, &list);
    tl_status s = n < 0 ? tl_error_code() : TL_OK;

    if (n == 0 && !may_be_empty)
        s = tl_fail(TL_ERR_NOT_FOUND, "\"%s\": no pictures (.jpg, .jpeg, .png) of this class; put some there, or take the subfolder away", folder);
    for (int i = 0; s == TL_OK && i < n; i++)
        s = add_picture(f, files_join(folder, list[i]->d_name, ""), label);
    free_names(list, n);
    return s;
}

/* Number of the class `name`, added if it may be; -1 and an error. */
static int64_t class_number(struct folder *f, const char *name, bool may_add, const char *where)
{
    for (int64_t i = 0; i < f->n_classes; i++)
        if (strcmp(f->classes[i], name) == 0)
            return i;
    if (!may_add) {
        tl_fail(TL_ERR_FORMAT, "\"%s\": class \"%s\" is not among those of the training part", where, name);
        return -1;
    }
    char **grown = realloc(f->classes, (size_t)(f->n_classes + 1) * sizeof *grown);
    f->classes = grown ? grown : f->classes;
    if (!grown || !(f->classes[f->n_classes] = strdup(name))) {
        tl_fail(TL_ERR_NOMEM, "folder: no memory for the name of a class");
        return -1;
    }
    return f->n_classes++;
}

/* All classes below `root`; with `keep`, their pictures as well. */
static tl_status add_part(struct folder *f, const char *root, bool may_add, bool keep)
{
    struct dirent **list = NULL;
    int n = list_names(root, not_hidden, &list);
    tl_status s = n < 0 ? tl_error_code() : TL_OK;

    for (int i = 0; s == TL_OK && i < n; i++) {
        char *path = files_join(root, list[i]->d_name, "");
        if (!path)
            s = tl_error_code();
        else if (is_folder(path)) {
            int64_t label = class_number(f, list[i]->d_name, may_add, root);
            s = label < 0 ? tl_error_code() : keep ? add_class(f, path, label, !may_add) : TL_OK;
        }
        free(path);
    }
    free_names(list, n);
    return s;
}

/* The parts that a folder is made of: its own train/ and test/, or itself (then *own is false). */
static tl_status add_root(struct folder *f, const char *root, enum tl_split which, bool *own)
{
    char *train = files_join(root, "train", ""), *test = files_join(root, "test", "");
    tl_status s = train && test ? TL_OK : tl_error_code();

    *own = s == TL_OK && is_folder(train) && is_folder(test);
    if (*own) {
        s = add_part(f, train, true, which != TL_SPLIT_TEST);
        if (s == TL_OK && which != TL_SPLIT_TRAIN)
            s = add_part(f, test, false, true);
    } else if (s == TL_OK)
        s = add_part(f, root, true, true);
    free(train);
    free(test);
    if (s == TL_OK && f->n_classes == 0)
        s = tl_fail(TL_ERR_NOT_FOUND, "\"%s\": no subfolders; each class needs one, with its pictures in it", root);
    if (s == TL_OK && f->n == 0)
        s = tl_fail(TL_ERR_NOT_FOUND, "\"%s\": no pictures (.jpg, .jpeg, .png) in its %" PRId64 " subfolders", root, f->n_classes);
    return s;
}

/* A data set of one picture. */
static tl_status add_single(struct folder *f, const char *path, enum tl_split which)
{
    if (which != TL_SPLIT_ALL)
        return tl_fail(TL_ERR_ARGUMENT, "\"%s\" is a single picture, which has no training and test parts", path);
    f->paths = calloc(1, sizeof *f->paths);
    if (!f->paths || !(f->paths[0] = strdup(path)))
        return tl_fail(TL_ERR_NOMEM, "folder: no memory for a path");
    f->n = 1;
    return TL_OK;
}

/* Without a size to resize to, the first picture gives it. */
static tl_status settle_size(struct folder *f, const struct tl_config *c)
{
    struct bytes file;
    struct picture p = {0};

    f->height = tl_config_int(c, "height");
    f->width = tl_config_int(c, "width");
    f->resize = f->height > 0;
    if ((f->height == 0) != (f->width == 0))
        return tl_fail(TL_ERR_ARGUMENT, "folder: height and width go together; %" PRId64 " and %" PRId64 " given", f->height, f->width);
    f->shorter = tl_config_int(c, "resize");
    f->crop = tl_config_int(c, "crop");
    if (f->shorter > 0 && f->crop == 0)
        return tl_fail(TL_ERR_ARGUMENT, "folder: resize goes with crop, as pictures of a shorter side of %" PRId64 " differ in their longer one", f->shorter);
    if (f->shorter > 0 && f->shorter < f->crop)
        return tl_fail(TL_ERR_ARGUMENT, "folder: crop=%" PRId64 " cannot be cut out of pictures with resize=%" PRId64, f->crop, f->shorter);
    if (f->crop > 0 && f->resize)
        return tl_fail(TL_ERR_ARGUMENT, "folder: crop gives the size; height and width do not go with it");
    if (f->crop > 0)
        f->height = f->width = f->crop;
    if (f->resize || f->crop > 0)
        return TL_OK;
    tl_status s = files_read(f->paths[0], MAX_FILE, &file);
    if (s != TL_OK)
        return s;
    s = picture_decode(f->paths[0], file.data, file.size, true, &p);
    free(file.data);
    f->height = p.height;
    f->width = p.width;
    return s;
}

static tl_dataset *make_dataset(struct folder *f, const struct tl_config *c)
{
    tl_dataset *d = tl_dataset_new(&folder_class, sizeof *f, .size = f->n, .n_fields = f->labels ? 2 : 1, .n_classes = f->n_classes,
                                   .classes = (const char *const *)f->classes, .ndim = 3, .shape = {f->channels, f->height, f->width});

    if (!d)
        return NULL;
    f->raw = tl_config_bool(c, "raw");
    for (int i = 0; i < 256; i++)
        f->table[i] = (float)i / 255;
    *(struct folder *)tl_dataset_private(d) = *f;
    *f = (struct folder){0}; /* it belongs to the data set now */
    return d;
}

static tl_dataset *folder_open(const struct tl_data_request *q)
{
    struct folder f = {0};
    tl_dataset *d = NULL;
    bool own = false;

    if (!q->path) {
        tl_fail(TL_ERR_ARGUMENT, "folder: give the path of a folder with one subfolder of pictures a class");
        return NULL;
    }
    f.channels = tl_config_bool(q->config, "grey") ? 1 : 3;
    bool single = is_single(q->path);
    if ((single ? add_single(&f, q->path, q->split) : add_root(&f, q->path, q->split, &own)) == TL_OK && settle_size(&f, q->config) == TL_OK)
        d = make_dataset(&f, q->config);
    folder_clear(&f);
    return own || single ? d : tl_data_split(d, q);
}

static const struct tl_plugin_option options[] = {
    {.name = "height", .help = "rows that pictures are resized to; 0: all must be equal", .kind = TL_OPTION_INT, .fallback = "0",
     .high = 65535},
    {.name = "width", .help = "columns that they are resized to", .kind = TL_OPTION_INT, .fallback = "0", .high = 65535},
    {.name = "resize", .help = "pixels that the shorter side is resized to, before crop; 0: as it is", .kind = TL_OPTION_INT, .fallback = "0",
     .high = 65535},
    {.name = "crop", .help = "side of a square that is cut out of the middle; 0: all of it", .kind = TL_OPTION_INT, .fallback = "0", .high = 65535},
    {.name = "grey", .help = "one channel, the luminance, rather than red, green and blue", .kind = TL_OPTION_BOOL, .fallback = "no"},
    ROWS_OPTION_RAW,
    {0},
};

static enum tl_folder reads_folder(const char *path)
{
    (void)path;
    return TL_FOLDER_ANY;
}

static const char *const endings[] = {".png", ".jpg", ".jpeg", NULL};

static const struct tl_data_source folder = {
    .struct_size = sizeof(struct tl_data_source),
    .flags = TL_DATA_OWN_SPLIT,
    .name = "folder",
    .summary = "pictures (JPEG, PNG) in one subfolder a class; or one picture",
    .options = options,
    .open = folder_open,
    .endings = endings,
    .reads_folder = reads_folder,
};

TL_DATA_PLUGIN("folder", "1.0", "folders of JPEG and PNG pictures", &folder);
