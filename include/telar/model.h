/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/model.h>: the contract of a model plugin (kind "model"): one shared object a family, which may list several
 * models. It links libtelar and libtelar-nn.
 */
#ifndef TELAR_MODEL_H
#define TELAR_MODEL_H

#include <telar/nn.h>
#include <telar/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_MODEL_ABI 1

/** An option of a model, set by name: tl_model_build("mlp", "hidden=512:256", …) and --option on the command line. */
struct tl_model_option {
    const char *name, *help;
    const char *fallback;      /**< default, as text */
    /** LIST: integers with colons between; CHOICE: one word of `choices`. */
    enum { TL_OPTION_INT, TL_OPTION_FLOAT, TL_OPTION_BOOL, TL_OPTION_LIST, TL_OPTION_CHOICE } kind;
    double low, high;           /**< inclusive range of numbers (of each, in a list) */
    const char *const *choices; /**< CHOICE: the words, NULL-terminated */
};

/** Values of options, parsed and checked by the host; unset ones have their defaults. */
struct tl_model_config;
TL_PUBLIC int64_t tl_config_int(const struct tl_model_config *c, const char *name);
TL_PUBLIC double tl_config_float(const struct tl_model_config *c, const char *name);
TL_PUBLIC bool tl_config_bool(const struct tl_model_config *c, const char *name);
/** Returns the number of entries, filling at most capacity. */
TL_PUBLIC int tl_config_list(const struct tl_model_config *c, const char *name, int64_t *values, int capacity);
/** The chosen word. */
TL_PUBLIC const char *tl_config_choice(const struct tl_model_config *c, const char *name);

/** Weights that fit a model and where they are to be had. */
struct tl_model_weights {
    const char *name, *url, *sha256, *note;
};

/** One model of a family. Append only; a table of pointers, NULL-terminated. */
struct tl_model {
    uint32_t struct_size;
    uint32_t flags;
    const char *name, *summary;
    const char *task;                      /**< "classify", "generate", "reconstruct", "language" */
    const struct tl_model_option *options; /**< ends with name NULL; NULL: none */
    const struct tl_model_weights *weights;/**< the same */
    const char *data;                      /**< data set that it is made for, or NULL */

    /** Shape of one input (without the batch) under this configuration; returns the number of dimensions. Required. */
    int (*input_shape)(const struct tl_model_config *c, int64_t shape[TL_MAX_DIMS]);
    /** Build the module tree, drawing initial weights in PyTorch's order. Required. */
    tl_module *(*build)(const struct tl_model_config *c);
    /** Bring a batch from a data set into the model's form (scale, reshape, normalise). Optional: as it is. */
    tl_tensor *(*preprocess)(const struct tl_model_config *c, tl_tensor *batch);
    /** Names of the classes, NULL-terminated. Optional. */
    const char *const *labels;
    /** A training step of its own (GAN, VAE): returns the loss. Optional: cross entropy. */
    tl_tensor *(*step)(tl_module *m, tl_tensor *const *batch, int n);
};

struct tl_model_plugin {
    uint32_t struct_size;
    uint32_t flags;
    const struct tl_model *const *models;
};

/** The entry of list[0..n-1] that is most like `word` (edit distance, letters' case ignored), for "did you mean"; NULL if none is
 *  near. NULL entries are skipped. */
TL_PUBLIC const char *tl_nearest_name(const char *word, const char *const *list, size_t n);

/** Every model of every plugin: returns their number and fills at most capacity entries. Loads all model plugins. */
TL_PUBLIC size_t tl_models(const struct tl_model **list, size_t capacity);
/** By name; NULL and an error that lists what there is (with the nearest name). */
TL_PUBLIC const struct tl_model *tl_model_find(const char *name);
/** Parse "name=value,name=value" (lists: name=1:2:3); NULL and an error on an unknown name or a value out of range. Free it. */
TL_PUBLIC struct tl_model_config *tl_model_configure(const struct tl_model *m, const char *options);
TL_PUBLIC void tl_model_config_free(struct tl_model_config *c);
/** Configure and build. */
TL_PUBLIC tl_module *tl_model_build(const char *name, const char *options);

#ifdef __cplusplus
}
#endif
#endif
