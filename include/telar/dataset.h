/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/dataset.h>: data sets, and the contract of a data set plugin (kind "data"). Part of libtelar-nn; plugins
 * link libtelar and libtelar-nn.
 */
#ifndef TELAR_DATASET_H
#define TELAR_DATASET_H

#include <telar/config.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most tensors of a sample. */
#define TL_MAX_FIELDS 8

typedef struct tl_dataset tl_dataset;

/* ---- What a data set is ---------------------------------------------------------------------------------------- */

/** What a data set knows of itself. Strings and tables live as long as the data set. A sample is n_fields tensors: first the
 *  features, last what is to be learnt of them, which is
 *  - a class, if n_classes > 0: i64 in 0 … n_classes-1, one a sample (in a language, one a position);
 *  - n_targets numbers, if n_targets > 0: floats, [n] or [n, n_targets] in a batch of n;
 *  - unknown to Telar, if both are 0 (a set that is only to be reconstructed, or tensors of one's own). */
struct tl_dataset_info {
    size_t struct_size;         /**< filled by tl_dataset_new() */
    int64_t size;               /**< samples */
    int n_fields;               /**< 0: 2 */
    int ndim;                   /**< shape of the first field of one sample */
    int64_t shape[TL_MAX_DIMS];
    int64_t n_classes;          /**< 0: not a classification */
    const char *const *classes; /**< names, n_classes of them, or NULL */
    int64_t n_targets;          /**< 0: not a regression */
    const char *const *columns; /**< names of the features of a table, shape[0] of them, or NULL */
    int64_t streams;            /**< samples k, k + streams, k + 2 streams, … follow each other, so that a state can be carried on from batch to
                                 *   batch: of `streams` samples, not shuffled. 0: they do not */
};

/** How a data set is implemented. Slots may be called from several loader threads at once. */
struct tl_dataset_class {
    size_t struct_size;
    const char *name; /**< for messages about a set that was not opened by name */
    /** Stack samples index[0..n-1] into one tensor a field, scope-owned, of shape [n, …], on the host (not on the default device):
     *  tl_batch_field() makes them. Indices are in range. Runs on loader threads: compute with plain C or tensor ops on host
     *  tensors. The caller compares what comes with the info. Required. */
    tl_status (*batch)(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out);
    void (*destroy)(tl_dataset *d);
    /** Labels of samples index[0..n-1], without loading the samples. Optional: batch() is asked instead. */
    tl_status (*labels)(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out);
};

/** For implementers: a data set of class c with `size` zeroed bytes of its own, tl_dataset_private(), and what it knows of itself:
 *  tl_dataset_new(&my_class, sizeof(struct my), .size = 1000, .ndim = 1, .shape = {2}, .n_classes = 2). Strings are not copied. */
#define tl_dataset_new(c, ...)                           \
    tl_dataset_new_with(c, TL_FIRST_(__VA_ARGS__, 0), \
                        &(struct tl_dataset_info){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_dataset_info))})
TL_PUBLIC tl_dataset *tl_dataset_new_with(const struct tl_dataset_class *c, size_t size, const struct tl_dataset_info *info);
/** Those bytes, borrowed. */
TL_PUBLIC void *tl_dataset_private(tl_dataset *d);
/** For batch(): *out becomes a new host tensor of that type and shape (n first), and its data are returned, to be filled;
 *  NULL and an error on failure. */
TL_PUBLIC void *tl_batch_field(tl_tensor **out, tl_dtype dtype, int ndim, const int64_t *shape);

/** What it knows of itself, borrowed. */
TL_PUBLIC const struct tl_dataset_info *tl_dataset_info(const tl_dataset *d);
/** The name that it was opened by; of others, their class's. */
TL_PUBLIC const char *tl_dataset_name(const tl_dataset *d);
/** Take a reference of one's own, and drop one; NULL is allowed. The last one frees it. */
TL_PUBLIC tl_dataset *tl_dataset_keep(tl_dataset *d);
TL_PUBLIC void tl_dataset_free(tl_dataset *d);
/** Number of samples. */
TL_PUBLIC int64_t tl_dataset_size(const tl_dataset *d);
/** Samples by index (checked), stacked; and one sample, without the batch dimension. */
TL_PUBLIC tl_status tl_dataset_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out);
TL_PUBLIC tl_status tl_dataset_get(tl_dataset *d, int64_t index, tl_tensor **out);
/** Labels of samples by index (checked): the last field, which must be one i64 a sample. */
TL_PUBLIC tl_status tl_dataset_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out);

/** Tensors of equal first size, kept: PyTorch's TensorDataset. It knows of no classes and targets; see tl_dataset_info. */
TL_PUBLIC tl_dataset *tl_tensor_dataset(int n, tl_tensor *const *fields);
/** Rows of another data set (kept), PyTorch's Subset. */
TL_PUBLIC tl_dataset *tl_subset(tl_dataset *d, const int64_t *index, int64_t n);
/** Split at random into `n` parts of the given sizes, which must add up; draws as torch.utils.data.random_split. */
TL_PUBLIC tl_status tl_random_split(tl_dataset *d, int n, const int64_t *sizes, tl_dataset **out);

/* ---- Opening one by name ---------------------------------------------------------------------------------------- */

/** How to open a data set; the zero value is each set's default. */
struct tl_data_options {
    size_t struct_size;
    const char *path;    /**< file or folder; NULL: search $TELAR_DATA and $XDG_DATA_HOME/telar, then what is installed */
    const char *split;   /**< "train", "test", or "all"; NULL: "all" */
    const char *options; /**< of the set itself, as text: "label=species,standardize"; see `telar data NAME` */
    uint64_t seed;       /**< of a split that has to be made */
    double test_share;   /**< of such a split, between 0 and 1; 0: 0.2 */
};

/** Open a data set: "digits", "wine", "mnist", "cifar10", "folder", "csv", or a path whose ending tells. A picture file is a data
 *  set of one sample that has nothing to be learnt (n_fields 1). NULL and an error otherwise: what was looked for where, or file
 *  and offset, row and column. A name and a path may be written together, "text:file.txt".
 *      tl_data_open("digits", .split = "train")     tl_data_open("table.csv", .options = "label=species,standardize") */
#define tl_data_open(...)                                \
    tl_data_open_with(TL_FIRST_(__VA_ARGS__, 0), \
                      &(struct tl_data_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_data_options))})
TL_PUBLIC tl_dataset *tl_data_open_with(const char *name, const struct tl_data_options *o); /**< o may be NULL */

/* ---- Plugins ------------------------------------------------------------------------------------------------------ */

/** Parts of a data set. */
enum tl_split { TL_SPLIT_ALL = 0, TL_SPLIT_TRAIN = 1, TL_SPLIT_TEST = 2 };

/** What the host asks of a data plugin: checked, and nothing left to defaults. Valid while open() runs. */
struct tl_data_request {
    uint32_t struct_size;
    enum tl_split split;
    const char *name;               /**< of the source */
    const char *path;               /**< that the user gave, or NULL */
    uint64_t seed;                  /**< of a split that has to be made */
    double test_share;              /**< of such a split, between 0 and 1 */
    const struct tl_config *config; /**< values of the source's options */
};

/** The source knows its own parts, or cuts them with tl_data_split() or tl_split_range() of <telar/data.h>. Without this flag
 *  open() gives the whole set, whatever is asked for, and the host cuts the part out with tl_data_split(). */
#define TL_DATA_OWN_SPLIT UINT32_C(1)

/** How sure is a source that a folder is one that it reads? Of several the surest is taken. */
enum tl_folder {
    TL_FOLDER_NO = 0,
    TL_FOLDER_ANY = 1,  /**< it reads any, if nobody knows better */
    TL_FOLDER_KNOWN = 2 /**< what lies in it says so */
};

/** One data set, or one kind of files, that a plugin can open. Append only. */
struct tl_data_source {
    uint32_t struct_size;
    uint32_t flags;                         /**< 0 or TL_DATA_OWN_SPLIT; others are refused */
    const char *name, *summary;             /**< name: what users write; summary: a line of description */
    const struct tl_plugin_option *options; /**< ends with name NULL; NULL: none */
    /** Open it. NULL and an error (tl_fail()) otherwise. Required. */
    tl_dataset *(*open)(const struct tl_data_request *r);
    /** How names of files end that it reads, ".csv", ".csv.gz", NULL-terminated; letters' case is ignored, and the longest that fits counts. So a
     *  path alone is enough: --data wines.csv. Optional. */
    const char *const *endings;
    /** Is this folder one that it reads? It looks at names only. Optional. */
    enum tl_folder (*reads_folder)(const char *path);
};

/** The table of a data plugin. Append only. */
struct tl_data_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    const struct tl_data_source *const *sources; /**< NULL-terminated */
};

/** All that a data plugin must export: TL_DATA_PLUGIN("toys", "1.0", "made in code", &spirals, &shapes); */
#define TL_DATA_PLUGIN(name, version, summary, ...)                                                      \
    static const struct tl_data_source *const tl_sources_[] = {__VA_ARGS__, NULL};                     \
    static const struct tl_data_plugin tl_table_ = {sizeof(struct tl_data_plugin), 0, tl_sources_}; \
    TL_PLUGIN("data", TL_DATA_ABI, name, version, summary, &tl_table_)

/** Every source of every data plugin: returns their number and fills at most capacity entries. Loads all data plugins. */
TL_PUBLIC size_t tl_data_sources(const struct tl_data_source **list, size_t capacity);
/** By name; NULL and an error that lists what there is (with the nearest name). */
TL_PUBLIC const struct tl_data_source *tl_data_find(const char *name);
/** The source that reads this file or folder, by the endings and the answers of all; NULL and an error. */
TL_PUBLIC const struct tl_data_source *tl_data_find_path(const char *path);

/** The source that tl_data_open() would ask for this: a name, a path, or a name and a path, "text:file.txt"; NULL and an error. */
TL_PUBLIC const struct tl_data_source *tl_data_source_of(const char *name);

static_assert(offsetof(struct tl_dataset_class, labels) == 4 * sizeof(void *), "tl_dataset_class only grows at its end");
static_assert(offsetof(struct tl_dataset_info, columns) == 5 * 8 + 8 * TL_MAX_DIMS + sizeof(void *) ||
                  sizeof(void *) != 8, "tl_dataset_info only grows at its end");
static_assert(offsetof(struct tl_data_source, open) == 8 + 3 * sizeof(void *), "tl_data_source only grows at its end");
static_assert(offsetof(struct tl_data_source, reads_folder) == 8 + 5 * sizeof(void *), "tl_data_source only grows at its end");
static_assert(offsetof(struct tl_data_plugin, sources) == 8, "tl_data_plugin only grows at its end");

#ifdef __cplusplus
}
#endif
#endif
