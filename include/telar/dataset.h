/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/dataset.h>: data sets, and the contract of a data set plugin (kind "data"). Part of libtelar-nn; plugins
 * link libtelar and libtelar-nn.
 */
#ifndef TELAR_DATASET_H
#define TELAR_DATASET_H

#include <telar/plugin.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_DATA_ABI 1
#define TL_MAX_FIELDS 8

typedef struct tl_dataset tl_dataset;

/** What a data set knows of itself. Strings and tables live as long as the data set. */
struct tl_dataset_info {
    int64_t size;               /**< samples */
    int n_fields;               /**< tensors of a sample: usually 2, features and label */
    int64_t n_classes;          /**< 0: not a classification */
    const char *const *classes; /**< names, n_classes of them, or NULL */
    const char *const *columns; /**< names of the features of a table, or NULL */
    int ndim;                   /**< shape of the first field of one sample */
    int64_t shape[TL_MAX_DIMS];
};

/** How a data set is implemented. Slots may be called from several loader threads at once. */
struct tl_dataset_class {
    size_t struct_size;
    const char *name;
    /** Stack samples index[0..n-1] into one tensor a field (scope-owned, dimension 0 = n). Indices are in range.
     *  Required. Runs on loader threads: compute with plain C or tensor ops on host tensors. */
    tl_status (*batch)(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out);
    void (*destroy)(tl_dataset *d);
    /** Labels of samples index[0..n-1], without loading the samples. Optional: batch() is asked instead. */
    tl_status (*labels)(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out);
};

/** For implementers: a data set of class c with `size` zeroed bytes of fields; info is copied (its strings are not). */
TL_PUBLIC tl_dataset *tl_dataset_new(const struct tl_dataset_class *c, const struct tl_dataset_info *info, size_t size);
TL_PUBLIC void *tl_dataset_fields(tl_dataset *d);
TL_PUBLIC const struct tl_dataset_info *tl_dataset_info(const tl_dataset *d);
TL_PUBLIC tl_dataset *tl_dataset_keep(tl_dataset *d);
TL_PUBLIC void tl_dataset_free(tl_dataset *d); /**< drops one reference */
TL_PUBLIC int64_t tl_dataset_size(const tl_dataset *d);
/** Samples by index (checked), stacked; and one sample, without the batch dimension. */
TL_PUBLIC tl_status tl_dataset_batch(tl_dataset *d, const int64_t *index, int64_t n, tl_tensor **out);
TL_PUBLIC tl_status tl_dataset_get(tl_dataset *d, int64_t index, tl_tensor **out);
/** Labels of samples by index (checked): the last field, which must be one i64 a sample. */
TL_PUBLIC tl_status tl_dataset_labels(tl_dataset *d, const int64_t *index, int64_t n, int64_t *out);

/** Tensors of equal first size, kept: PyTorch's TensorDataset. classes may be NULL. */
TL_PUBLIC tl_dataset *tl_tensor_dataset(int n, tl_tensor *const *fields);
/** Rows of another data set (kept), PyTorch's Subset. */
TL_PUBLIC tl_dataset *tl_subset(tl_dataset *d, const int64_t *index, int64_t n);
/** Split at random into `n` parts of the given sizes, which must add up; draws as torch.utils.data.random_split. */
TL_PUBLIC tl_status tl_random_split(tl_dataset *d, int n, const int64_t *sizes, tl_dataset **out);

/** Options of tl_data_open(); the zero value is each set's default. */
struct tl_data_options {
    size_t struct_size;
    const char *path;       /**< file or folder; NULL: search $TELAR_DATA and $XDG_DATA_HOME/telar, then what is installed */
    const char *split;      /**< "train", "test", or NULL for all (plugins without splits make one: 80/20, seed) */
    const char *label;      /**< csv: name or number (from 0) of the label column; default the last, or one named label, class, target or variety */
    const char *delimiter;  /**< csv: one character; default: guessed among , ; tab */
    bool no_header;         /**< csv: the first row is data */
    bool standardize;       /**< csv: zero mean, unit deviation a column, from the training part */
    bool raw;               /**< pictures: u8, not f32 in [0, 1] */
    int64_t height, width;  /**< image folder: size that pictures are resized to (0: all must be equal) */
    uint64_t seed;          /**< of a split that the plugin makes */
    double test_share;      /**< of such a split; default 0.2 */
};

/** Open a data set: "digits", "wine", "mnist", "cifar10", "folder", "csv", or a path whose ending tells. NULL and an error
 *  otherwise: what was looked for where, or file and offset, row and column. */
TL_PUBLIC tl_dataset *tl_data_open(const char *name, const struct tl_data_options *o);

/** Names that tl_data_open() knows. Strings live until tl_shutdown(). */
struct tl_data_name {
    const char *name, *summary;
    const char *plugin; /**< which serves it */
};
/** Every name of every data plugin that loads: returns their number and fills at most capacity entries. */
TL_PUBLIC size_t tl_data_names(struct tl_data_name *list, size_t capacity);

/** The table of a data plugin. One plugin may serve several names. Append only. */
struct tl_data_plugin {
    uint32_t struct_size;
    uint32_t flags;
    /** Names that it serves, each with a line of description, NULL-terminated pairs. */
    const char *const *names;
    /** Open `name`. `o` is never NULL. Required. */
    tl_dataset *(*open)(const char *name, const struct tl_data_options *o);
};

static_assert(offsetof(struct tl_dataset_class, labels) == 4 * sizeof(void *), "tl_dataset_class only grows at its end");
static_assert(offsetof(struct tl_data_plugin, open) == 8 + sizeof(void *), "tl_data_plugin only grows at its end");

#ifdef __cplusplus
}
#endif
#endif
