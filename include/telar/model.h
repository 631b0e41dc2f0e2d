/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/model.h>: the contract of a model plugin (kind "model"): one shared object a family, which may list several
 * models. It links libtelar and libtelar-nn. Below, what programs do with models.
 */
#ifndef TELAR_MODEL_H
#define TELAR_MODEL_H

#include <telar/config.h>
#include <telar/nn.h>
#include <telar/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Tasks -------------------------------------------------------------------------------------------------------- */

/** What a model is trained for: what the target is, what the loss compares with it, and what is measured besides. `batch` is what
 *  the data set gives, batch[0] after preprocess; `output` is tl_forward(model, batch[0]). The list is closed.
 *
 *  A model with a training step or an update of its own has that one's loss in place of the one named here; output and metrics are the
 *  same, unless its table names a metric. A model may list several tasks; the data then decide: the first of this list that fits them. */
enum tl_task {
    /** Which of n_classes? Target: the last field, i64 [n]. Output: logits [n, n_classes] (no softmax). Loss: cross entropy.
     *  Metric: accuracy; at the end precision, recall, F1 and the confusion matrix. */
    TL_CLASSIFY = 1,
    /** Next token? Target: the last field, i64 [n, t]. Output: logits [n, t, n_classes], n_classes being the vocabulary. Loss:
     *  cross entropy, the mean over all positions. Metric: accuracy over positions; at the end the perplexity, exp(loss). */
    TL_LANGUAGE = 2,
    /** Numbers. Target: the last field, floats, n_targets a sample. Output: as many, [n, n_targets] or, if there is one, [n].
     *  Loss: mean squared error. Metric: mean absolute error; at the end R² as well. */
    TL_REGRESS = 4,
    /** The input again. Target: batch[0], as preprocess made it. Output: of the same shape. Loss: mean squared error. Metric: mean
     *  absolute error. */
    TL_RECONSTRUCT = 8,
    /** New samples that look like those of the data. There is no target; the model must have a step or an update. No metric, unless the
     *  update tells one. */
    TL_GENERATE = 16
};
/** "classify", "language", "regress", "reconstruct", "generate". */
TL_PUBLIC const char *tl_task_name(enum tl_task t);

/* ---- Plugins ------------------------------------------------------------------------------------------------------ */

/** How pictures become a model's inputs, as torchvision's ImageClassification does it: the shorter side is resized to `resize`, the
 *  middle crop x crop is cut out, values are brought into [0, 1], and from each channel its mean is subtracted and the difference
 *  divided by its deviation. tl_model_preprocess() does the last step for batches [n, 3, h, w] with values in [0, 1]; pictures of
 *  one channel are scaled by the average of the three, and those of other numbers are left as they are. */
struct tl_picture_form {
    int64_t resize, crop;
    double mean[3], deviation[3];
};
/** What networks that were trained on ImageNet expect: {256, 224, TL_IMAGENET_SCALE}. */
#define TL_IMAGENET_SCALE {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}

/** Weights that fit a model and where they are to be had. Tables end with an entry whose name is NULL. */
struct tl_model_weights {
    const char *name;   /**< what users write: --weights NAME */
    const char *url;    /**< where the file is; its last part is the file's name */
    const char *sha256; /**< 64 hexadecimal digits, or the first of them, 8 at least, where no more is known (as torchvision's file
                         *   names end); what is there is checked. NULL: not checked */
    const char *note;   /**< a line: trained on what, how good */
    const char *options; /**< what the model must be built with: "width=0.25"; NULL: its defaults */
    const struct tl_picture_form *pictures; /**< how pictures are brought into form for them; NULL: as the model says */
    const void *reserved[2]; /**< NULL */
};

/** How a model is usually trained: what `telar train` does where the command line is silent. Zeros leave a setting alone. */
struct tl_model_training {
    const char *optimizer;       /**< as in tl_optimizer_named(); rate and momentum are for it */
    double lr, momentum;         /**< momentum: beta1 of adam and adamw */
    int64_t batch;
    const void *reserved[4];     /**< NULL */
};

/** One model of a family. Append only. The host takes NULL, or an error that is set when a slot returns, for a failure; so a slot
 *  need not check the calls between its first and its last. */
struct tl_model {
    uint32_t struct_size;
    uint32_t tasks;                          /**< one TL_CLASSIFY, …, or several, or'ed. Others are refused. Required */
    const char *name, *summary;              /**< name: what users write. Required */
    const struct tl_plugin_option *options;  /**< ends with name NULL; NULL: none */
    const struct tl_model_weights *weights;  /**< the same */
    const char *data;                        /**< data set that it is made for, or NULL */

    /** Shape of one input (without the batch) under this configuration; returns the number of dimensions. Required. */
    int (*input_shape)(const struct tl_config *c, int64_t shape[TL_MAX_DIMS]);
    /** Build the module tree, drawing initial weights in PyTorch's order. A module that is returned with an error set (of an
     *  addition that failed on the way) is freed by the host. May also run on the device "meta" (see tl_has_values()), for `telar models` and `telar
     *  summary`: it should not look at values. Required. */
    tl_module *(*build)(const struct tl_config *c);
    /** Bring the inputs of a batch, batch[0], into the model's form; the other fields are left alone. Runs before forward and step, in
     *  training, evaluation and prediction. Optional: samples are given the shape that input_shape says, if they have as many
     *  values, everything but i32 and i64 becomes f32, and pictures are scaled as tl_model_pictures() says. */
    tl_tensor *(*preprocess)(const struct tl_config *c, tl_tensor *input);
    /** Names of the classes, NULL-terminated. Optional. A data set's own names win; these are used where there is no data set, or
     *  one with as many classes and no names. */
    const char *const *labels;
    /** A training step of its own: the loss of a batch, a 0-d tensor; the caller does backward and the optimizer's
     *  step. Also called to evaluate: then tl_is_training(m) is false and no gradients are recorded. Optional. */
    tl_tensor *(*step)(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n);
    const struct tl_picture_form *pictures; /**< of models for pictures that were trained on a certain form. Optional */

    /** The output for a batch of n tensors, of a model that needs more of it than batch[0], or keeps something from batch to batch. Runs
     *  in the places of tl_forward(m, batch[0]), which must work as well. What it keeps is of the module, which then serves one thread at a time.
     *  Optional. */
    tl_tensor *(*forward)(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n);
    /** An input of this shape (with the batch) in the form that the network takes, for summaries and timing: tokens below the size of the
     *  vocabulary. Optional: normal numbers, f32. */
    tl_tensor *(*example)(const struct tl_config *c, int ndim, const int64_t *shape);
    /** Of a language: logits [n, t, classes] of tokens [n, t], going on from *state (at the beginning its members are NULL), which becomes
     *  the state at their end. For sampling one token after the other. Optional. */
    tl_tensor *(*advance)(const struct tl_config *c, tl_module *m, tl_tensor *tokens, struct tl_rnn_state *state);
    /** A training step of its own that cannot be told by one loss and one descent (GAN), or that measures something beside its loss (VAE):
     *  it descends by itself, tl_update_descend(u, loss, "generator"), on the parts of m that it names, one after the other, and returns
     *  the loss to be reported. Also called to evaluate: then tl_is_training(m) is false, no gradients are recorded and nothing descends. Comes
     *  before step. Optional. */
    tl_tensor *(*update)(const struct tl_config *c, tl_module *m, tl_tensor *const *batch, int n, tl_update *u);
    /** What the update tells with tl_update_metric(), in place of the task's metric: "KL"; smaller is better. NULL: nothing. */
    const char *metric;
    /** n new samples of the shape that input_shape says, as the data set gives them (pictures from 0 to 1: what preprocess did is undone), drawn
     *  from the default generator. m is in evaluation mode, and no gradients are recorded. Of models that generate samples; optional. */
    tl_tensor *(*generate)(const struct tl_config *c, tl_module *m, int64_t n);
    const struct tl_model_training *training; /**< how it is usually trained. Optional */
};

/** The table of a model plugin. Append only. */
struct tl_model_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    const struct tl_model *const *models; /**< NULL-terminated */
};

/** All that a model plugin must export: TL_MODEL_PLUGIN("mine", "1.0", "my models", &first_model, &second_model); */
#define TL_MODEL_PLUGIN(name, version, summary, ...)                                                    \
    static const struct tl_model *const tl_models_[] = {__VA_ARGS__, NULL};                           \
    static const struct tl_model_plugin tl_table_ = {sizeof(struct tl_model_plugin), 0, tl_models_}; \
    TL_PLUGIN("model", TL_MODEL_ABI, name, version, summary, &tl_table_)

static_assert(offsetof(struct tl_model, input_shape) == 8 + 5 * sizeof(void *), "tl_model only grows at its end");
static_assert(offsetof(struct tl_model, step) == 8 + 9 * sizeof(void *), "tl_model only grows at its end");
static_assert(offsetof(struct tl_model, pictures) == 8 + 10 * sizeof(void *), "tl_model only grows at its end");
static_assert(offsetof(struct tl_model, forward) == 8 + 11 * sizeof(void *), "tl_model only grows at its end");
static_assert(offsetof(struct tl_model, training) == 8 + 17 * sizeof(void *), "tl_model only grows at its end");
static_assert(sizeof(struct tl_model_weights) == 8 * sizeof(void *), "entries of a table cannot grow");

/* ---- Finding and building ------------------------------------------------------------------------------------------- */

/** Every model of every plugin: returns their number and fills at most capacity entries. Loads all model plugins. The tables are of this header's size:
 *  what an older plugin does not have is NULL. */
TL_PUBLIC size_t tl_models(const struct tl_model **list, size_t capacity);
/** By name; NULL and an error that lists what there is (with the nearest name). */
TL_PUBLIC const struct tl_model *tl_model_find(const char *name);
/** Parse "name=value,name=value" (lists: name=1:2:3); NULL and an error on an unknown name or a value out of range. Free it with
 *  tl_config_free(). */
TL_PUBLIC struct tl_config *tl_model_configure(const struct tl_model *m, const char *options);
/** The same for weights that the model lists (NULL: none): with what they must be built with where `options` are silent, and pictures are brought into
 *  their form. */
TL_PUBLIC struct tl_config *tl_model_configure_for(const struct tl_model *m, const struct tl_model_weights *weights, const char *options);
/** Options that fit a data set: `options` with those appended that have a role and are not set in it. malloc()ed; NULL and an error. */
TL_PUBLIC char *tl_model_options_for(const struct tl_model *m, const char *options, const struct tl_dataset_info *info);
/** Build by name and options; and of what was found and configured. */
TL_PUBLIC tl_module *tl_model_build(const char *name, const char *options);
TL_PUBLIC tl_module *tl_model_build_with(const struct tl_model *m, const struct tl_config *c);
/** Build a model as weights that it lists want it (weights NULL: the first) and load them: tl_model_pretrained(m, "IMAGENET1K_V1", NULL, &c).
 *  `options` are as in tl_model_configure_for(). *config (config NULL: nobody asks for it) becomes the configuration, which preprocessing and
 *  jobs need, and which tl_config_free() frees. The file must be here, where tl_model_weights_path() looks. NULL and an error: *config is as it was. */
TL_PUBLIC tl_module *tl_model_pretrained(const struct tl_model *m, const char *weights, const char *options, struct tl_config **config);
/** How pictures are brought into form: as the weights that it is configured for want it, else as the model says; NULL if neither does. */
TL_PUBLIC const struct tl_picture_form *tl_model_pictures(const struct tl_model *m, const struct tl_config *c);
/** Options of the data set "folder" by which picture files become its inputs, "resize=256,crop=224": of any size that the model is configured for, in the
 *  proportion of tl_model_pictures(), or without that by height and width; malloc()ed. What is left is tl_model_preprocess(). TL_ERR_UNSUPPORTED if its
 *  inputs are not one or three channels of height and width.
 *      tl_data_open("photo.jpg", .options = options) */
TL_PUBLIC char *tl_model_picture_options(const struct tl_model *m, const struct tl_config *c);
/** How it is usually trained; NULL if it does not say. */
TL_PUBLIC const struct tl_model_training *tl_model_training(const struct tl_model *m);
/** n new samples of the trained module `net`, by the slot generate, in evaluation mode (then back, as tl_evaluate() does) and without gradients, of the
 *  shape [n, …] that input_shape says. TL_ERR_UNSUPPORTED if the model does not generate. */
TL_PUBLIC tl_tensor *tl_model_generate(const struct tl_model *m, const struct tl_config *c, tl_module *net, int64_t n);
/** Bring inputs into the model's form, by its preprocess slot or what stands for it, pictures as tl_model_pictures() says. */
TL_PUBLIC tl_tensor *tl_model_preprocess(const struct tl_model *m, const struct tl_config *c, tl_tensor *input);
/** What a model's module `net` gives for a batch of n tensors, of which preprocessing had the first: by its forward slot, or tl_forward(net, batch[0]). */
TL_PUBLIC tl_tensor *tl_model_forward(const struct tl_model *m, const struct tl_config *c, tl_module *net, tl_tensor *const *batch, int n);
/** Logits of tokens [n, t] that go on from *state, which becomes the state at their end, by its advance slot; TL_ERR_UNSUPPORTED if it has none. */
TL_PUBLIC tl_tensor *tl_model_advance(const struct tl_model *m, const struct tl_config *c, tl_module *net, tl_tensor *tokens, struct tl_rnn_state *state);
/** An input of this shape, with its batch, as its example slot makes it, or of normal numbers. */
TL_PUBLIC tl_tensor *tl_model_example(const struct tl_model *m, const struct tl_config *c, int ndim, const int64_t *shape);

/** A token for each row of logits [n, classes], i64 [n]: drawn with the chances softmax(logits / temperature), among the top_k most likely (0: all).
 *  temperature 0 takes the most likely one; below 1 it is bolder, above 1 more random. g NULL: the default generator. On the host. */
TL_PUBLIC tl_tensor *tl_sample_tokens(tl_tensor *logits, double temperature, int64_t top_k, tl_generator *g);

/** The weights that the model lists under `name` (NULL: the first); NULL and an error that says which there are. */
TL_PUBLIC const struct tl_model_weights *tl_model_weights_find(const struct tl_model *m, const char *name);
/** The file of weights that the model lists under `name`: $TELAR_DATA, $XDG_DATA_HOME/telar and what is installed are searched for a
 *  file with the name at the end of its URL, each with its folder weights/ first, and its SHA-256 is compared if one is
 *  listed. malloc()ed; NULL and an error that says what was looked for where, and the URL. */
TL_PUBLIC char *tl_model_weights_path(const struct tl_model *m, const char *name);
/** Where such a file belongs that is fetched: $XDG_DATA_HOME/telar/weights/ and the name at the end of its URL. malloc()ed; NULL and an
 *  error. */
TL_PUBLIC char *tl_model_weights_place(const struct tl_model *m, const char *name);
/** Compare the SHA-256 of the file at `path` with what the model lists under `name`; an error has both. Nothing is compared where none is
 *  listed. */
TL_PUBLIC tl_status tl_model_weights_check(const struct tl_model *m, const char *name, const char *path);

/* ---- Training ------------------------------------------------------------------------------------------------------- */

/** A model at work on a kind of data. */
struct tl_job {
    const struct tl_model *model;
    const struct tl_config *config;
    enum tl_task task;
    int64_t outputs; /**< n_classes or n_targets of the data; 0: not known */
};
/** The task that model and data have in common. info NULL: the model's first. An error says what the one offers and the other wants. */
TL_PUBLIC tl_status tl_job_start(struct tl_job *j, const struct tl_model *m, const struct tl_config *c, const struct tl_dataset_info *info);
/** Fill loss, metric, step, update, forward, prepare and function_ctx (j, which must live as long) of the options of tl_fit() and tl_evaluate(). */
TL_PUBLIC void tl_job_fit_options(struct tl_job *j, struct tl_fit_options *o);

#ifdef __cplusplus
}
#endif
#endif
