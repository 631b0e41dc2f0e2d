/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/train.h>: training a module: the loop, what it records, checkpoints, metrics and reports (libtelar-nn).
 *
 *     tl_history *h = tl_history_new();
 *     tl_fit(net, train, optimizer, .epochs = 5, .validation = held_out, .metric = tl_metric_accuracy, .history = h,
 *            .progress = stderr);
 *     tl_history_plot(h, "curve.svg", .title = "My network");
 *
 * Nothing is printed unless a stream is given.
 */
#ifndef TELAR_TRAIN_H
#define TELAR_TRAIN_H

#include <telar/data.h>
#include <telar/ops.h>
#include <telar/optim.h>
#include <telar/random.h>
#include <telar/state.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- History ------------------------------------------------------------------------------------------------- */

/** What one epoch gave. Means and deviations are over its batches, weighted by their samples: mean = sum(n_i l_i) / N,
 *  std = sqrt(sum(n_i (l_i - mean)^2) / (N - 1)). What was not measured is NaN. */
struct tl_epoch {
    int64_t epoch;                           /**< from 1 */
    int64_t steps;                           /**< optimizer steps since the beginning */
    double train_loss, train_loss_std;
    double validation_loss, validation_loss_std;
    double train_metric, train_metric_std;
    double validation_metric, validation_metric_std;
    double learning_rate;                    /**< at the epoch's end, before the schedule moved it */
    double seconds;                          /**< wall clock, with validation */
};

/** Epochs in order. */
typedef struct tl_history tl_history;
/** An empty one, and its end (NULL is allowed). NULL and an error if out of memory. */
TL_PUBLIC tl_history *tl_history_new(void);
TL_PUBLIC void tl_history_free(tl_history *h);
/** Number of epochs. */
TL_PUBLIC size_t tl_history_count(const tl_history *h);
/** Epoch record i; NULL past the end. Valid until the history grows or is freed. */
TL_PUBLIC const struct tl_epoch *tl_history_at(const tl_history *h, size_t i);
/** Append a copy of an epoch record. */
TL_PUBLIC tl_status tl_history_add(tl_history *h, const struct tl_epoch *e);
/** Name of the metric column; "" if there is none. */
TL_PUBLIC const char *tl_history_metric_name(const tl_history *h);
/** Set it; a copy is kept. */
TL_PUBLIC tl_status tl_history_set_metric_name(tl_history *h, const char *name);
/** Write as CSV with a header line, atomically. */
TL_PUBLIC tl_status tl_history_save_csv(const tl_history *h, const char *path);

/** Options of tl_history_plot(); zero values: title "Learning curve", 960 x 540 for one panel and 1280 x 540 for two. */
struct tl_plot_options {
    size_t struct_size;
    const char *title;
    int width, height; /**< in pixels (SVG: in points) */
    bool loss_only;    /**< leave the metric's panel out */
    bool log_scale;    /**< logarithmic axis for the loss */
};
/** Draw the means over the epochs with a band of one standard deviation, for training and validation, as .svg or .png
 *  (by the name's ending). Runs gnuplot, found through PATH, without a shell; TL_ERR_UNSUPPORTED if there is none. The file
 *  is written atomically. */
#define tl_history_plot(h, ...)                             \
    tl_history_plot_with(h, TL_FIRST_(__VA_ARGS__, 0), \
                         &(struct tl_plot_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_plot_options))})
TL_PUBLIC tl_status tl_history_plot_with(const tl_history *h, const char *path, const struct tl_plot_options *o);

/* ---- The loop ------------------------------------------------------------------------------------------------ */

/** Loss or metric of a batch: one number, a 0-d tensor; NULL on failure. `batch` holds the loader's n tensors, on the
 *  module's device: usually inputs and labels. Runs in a scope of its own. */
typedef tl_tensor *(*tl_batch_function)(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx);

/** tl_cross_entropy(output, batch[1]): the default loss. */
TL_PUBLIC tl_tensor *tl_loss_cross_entropy(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx);
/** tl_mse_loss(output, batch[1]), never broadcast: the shapes must be equal but for sizes of 1 at the end, so [64] and [64 x 1] go
 *  together, and other pairs are an error. */
TL_PUBLIC tl_tensor *tl_loss_mse(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx);
/** tl_l1_loss(output, batch[1]), with the same rule. Smaller is better: set metric_falls. */
TL_PUBLIC tl_tensor *tl_metric_absolute_error(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx);
/** Share of samples whose largest output (dimension 1) is at the label batch[1]. */
TL_PUBLIC tl_tensor *tl_metric_accuracy(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx);
/** The same for a pair of tensors. */
TL_PUBLIC tl_tensor *tl_accuracy(tl_tensor *output, tl_tensor *labels);

/** Where training stands, for callbacks. */
struct tl_fit_event {
    tl_module *module;
    int64_t epoch, epochs;         /**< current, from 1, and how many there will be */
    int64_t batch, batches;        /**< within the epoch, from 1 */
    int64_t step;                  /**< optimizer steps done since the beginning */
    double loss;                   /**< of this batch; NaN on a device with on_batch_needs_no_loss */
    double running_loss;           /**< mean over the epoch so far */
    const struct tl_epoch *record; /**< on_epoch only */
};
/** TL_OK goes on; TL_ERR_STOPPED ends training without an error; anything else (set with tl_fail()) fails it. */
typedef tl_status (*tl_fit_callback)(const struct tl_fit_event *e, void *ctx);

/** What an update of one's own (struct tl_fit_options, struct tl_model) descends with. It lives as long as the call. */
typedef struct tl_update tl_update;
/** Descend on `loss`, one number: its gradients with respect to the parameters of the child `part` of the module (a dotted name; NULL: the
 *  whole module), clipped as the options say, and one step of the optimizer on these. What is outside of the part keeps its values and the
 *  optimizer's memory of them, and no gradient is computed for it; the loss may well depend on it. Parameters have changed afterwards:
 *  what is computed next, is with the new ones. Frees the loss's graph. While a batch is only measured it does nothing. */
TL_PUBLIC tl_status tl_update_descend(tl_update *u, tl_tensor *loss, const char *part);
/** Tell of one number beside the loss, in each call: another loss, or a part of it. It is the metric of history, table and evaluation,
 *  under the name metric_name. */
TL_PUBLIC tl_status tl_update_metric(tl_update *u, tl_tensor *value);

/** Options of tl_fit(). Zero values are sensible. */
struct tl_fit_options {
    size_t struct_size;
    int64_t epochs;                 /**< how many in all, those of a resumed run included; default 1 */
    tl_loader *validation;          /**< evaluated after each epoch, in evaluation mode, without gradients */
    tl_batch_function loss;         /**< default tl_loss_cross_entropy */
    tl_batch_function metric;       /**< measured as well, on training and validation batches */
    const char *metric_name;        /**< default "accuracy" for tl_metric_accuracy, else "metric" */
    bool metric_falls;              /**< smaller is better (an error, not an accuracy) */
    void *function_ctx;             /**< of loss, metric, step and prepare */
    /** Instead of forward and loss: a step that gives the loss itself. A metric then sees tl_forward(m, batch[0]), run for it
     *  in evaluation mode. */
    tl_tensor *(*step)(tl_module *m, tl_tensor *const *batch, int n, void *ctx);
    /** Bring batch[0] into the module's form (scale, reshape) before the forward pass. */
    tl_tensor *(*prepare)(tl_tensor *input, void *ctx);
    /** Measure training batches with a second forward pass after the step, as some courses do, rather than with the
     *  outputs that the step was computed from. */
    bool measure_after_step;

    tl_schedule *schedule;          /**< moved after every epoch */
    tl_schedule *const *schedules;  /**< more of them, NULL-terminated, stepped after it: a warm-up and a decay */
    bool schedule_by_batch;         /**< move the schedules after every step (one-cycle), not after every epoch */
    double clip_norm;               /**< scale gradients down to this total norm; 0: do not */

    int64_t patience;               /**< stop after so many epochs in a row without improvement; 0: never */
    double min_delta;               /**< less than this is none */
    bool watch_metric;              /**< watch the metric, not the loss (validation's if there is one, else training's) */
    bool restore_best;              /**< at the end, put the weights of the best epoch back */
    bool allow_nonfinite;           /**< go on when the loss is NaN or infinite; default: fail, before the step */

    tl_fit_callback on_batch, on_epoch;
    void *callback_ctx;
    tl_history *history;            /**< epochs are appended to it */
    FILE *progress;                 /**< progress bar (on a terminal) or plain lines; NULL: silent */
    FILE *lines;                    /**< a table, one line an epoch; NULL: none */

    const char *checkpoint;         /**< written after every checkpoint_every epochs (default 1), at the end and when a callback stops */
    int64_t checkpoint_every;
    const char *resume;             /**< read before the first epoch; the run goes on as if it had never stopped */
    const char *const *notes;       /**< key, text, key, text, …, NULL: kept in the checkpoint */
    tl_generator *generator;        /**< the training loader's own generator, if it has one: kept in the checkpoint */
    tl_state *extra;                /**< kept in the checkpoint, and read back, as that of struct tl_checkpoint */
    tl_module *whole;               /**< of which the trained module is a part: checkpoints hold its weights; default: the trained module */
    bool on_batch_needs_no_loss;    /**< on_batch does not look at loss, which is NaN then on a device: reading it there would wait for the device */
    /** The output, of a module that needs more of a batch than batch[0]: lengths of sequences, where a stream stood. Default:
     *  tl_forward(m, batch[0]). */
    tl_tensor *(*forward)(tl_module *m, tl_tensor *const *batch, int n, void *ctx);
    /** Instead of forward, loss, backward and the optimizer's step: an update that does all of this, with tl_update_descend(), as often and on
     *  such parts as it likes, and returns the loss to be reported. Also called to measure, in evaluation mode and without gradients; then
     *  nothing descends. With a metric_name, and no metric, it tells its metric with tl_update_metric(). */
    tl_tensor *(*update)(tl_module *m, tl_tensor *const *batch, int n, tl_update *u, void *ctx);
    /** Make a program of the step (<telar/program.h>), which each batch of a size then runs: the same numbers, faster. Nothing in it may read
     *  a value; gradients are gone after it; a loss that is no number is noticed after its step, not before. */
    bool compile;
};

/** Train: for each epoch, for each batch: forward, loss, backward, step. On failure the module keeps the weights of the
 *  last finished step. Modes: tl_train() before each epoch (what is to stay in evaluation mode: tl_hold_eval()), tl_eval() after the end. */
#define tl_fit(m, train, ...)                            \
    tl_fit_with(m, train, TL_FIRST_(__VA_ARGS__, 0), \
                &(struct tl_fit_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_fit_options))})
TL_PUBLIC tl_status tl_fit_with(tl_module *m, tl_loader *train, tl_optimizer *optimizer, const struct tl_fit_options *o);

/** What the loop does with one batch of n tensors on the module's device: prepare, forward, loss, backward, clipping and
 *  the optimizer's step, or the step or update that o names. Reads loss, step, update, prepare, function_ctx and clip_norm of o (NULL: cross
 *  entropy). Returns the loss, whose value is not looked at; NULL and an error. */
TL_PUBLIC tl_tensor *tl_fit_step(tl_module *m, tl_optimizer *optimizer, tl_tensor *const *batch, int n, const struct tl_fit_options *o);

/** What tl_evaluate() measures. */
struct tl_evaluation {
    int64_t samples;
    double loss, loss_std, metric, metric_std; /**< weighted as in struct tl_epoch; NaN if not measured */
    double seconds;
};
/** Run over a loader in evaluation mode without gradients; a module that was in training mode is put back into it, by tl_train(). Reads loss, metric, metric_name, step,
 *  update, prepare, forward, function_ctx and progress of the options (NULL: cross entropy only). `each`, if given, sees every batch's output. */
TL_PUBLIC tl_status tl_evaluate(tl_module *m, tl_loader *loader, const struct tl_fit_options *o,
                                tl_status (*each)(tl_tensor *output, tl_tensor *const *batch, int n, void *ctx), void *ctx,
                                struct tl_evaluation *result);

/* ---- Features --------------------------------------------------------------------------------------------------- */

struct tl_feature_options {
    size_t struct_size;
    int64_t batch; /**< default 64 */
    int workers;   /**< of the loader */
    tl_tensor *(*prepare)(tl_tensor *input, void *ctx); /**< as in tl_fit_options */
    void *function_ctx;
    FILE *progress;
};
/** What reaches the layer `name` (dotted) of m for each sample of d, computed once, in evaluation mode and without gradients, kept in host
 *  memory: a data set whose first field is that, and whose others, and names of classes, are d's. When all but that layer is frozen, training
 *  the layer on it, tl_fit(tl_module_child(m, name), …), is training m, without the time for the frozen part. The layer must be applied once in a
 *  pass. Free it with tl_dataset_free(); NULL and an error on failure. */
#define tl_features(m, name, ...)                                \
    tl_features_with(m, name, TL_FIRST_(__VA_ARGS__, 0),         \
                     &(struct tl_feature_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_feature_options))})
TL_PUBLIC tl_dataset *tl_features_with(tl_module *m, const char *name, tl_dataset *d, const struct tl_feature_options *o);

/* ---- Checkpoints ----------------------------------------------------------------------------------------------- */

/** What a checkpoint holds: one weight file with the weights under the module's own names, so that other programs can read
 *  them, and all else under names that begin with "telar.". NULL members are neither written nor read.
 *
 *  The weights under plain names are those to use: of the best step if `stopping` keeps the module's, else the present ones. */
struct tl_checkpoint {
    size_t struct_size;            /**< sizeof(struct tl_checkpoint) */
    int64_t epoch, step;           /**< finished so far */
    tl_module *module;
    tl_optimizer *optimizer;
    tl_schedule *const *schedules; /**< NULL-terminated, in the order in which they are stepped; loading wants as many */
    tl_early_stopping *stopping;   /**< counts, best value and, if it keeps them, the best step's weights */
    tl_generator *generator;       /**< the loader's own, if it has one; the default generator is always kept */
    tl_history *history;
    /** Tensors and notes of your own: a scaler (tl_scaler_save()), moving averages, a counter. Loading replaces what it holds by
     *  what the file has; a tensor of the same name, type and shape stays where it is and gets the file's values. */
    tl_state *extra;
    const char *const *notes;      /**< written: key, text, key, text, …, NULL */
};
/** Write it atomically: after a failure the old file is as it was. */
TL_PUBLIC tl_status tl_checkpoint_save(const struct tl_checkpoint *c, const char *path);
/** Read it back into the objects that c names, and into epoch and step. After a failure all of them are as they were. TL_ERR_STATE: the file
 *  lacks what c asks for, or tl_fit() wrote it within an epoch, from where only tl_fit() can go on. */
TL_PUBLIC tl_status tl_checkpoint_load(struct tl_checkpoint *c, const char *path);
/** The weights in what tl_state_load() gave, of a checkpoint or a plain weight file: all names that do not begin with "telar.". Free
 *  it. NULL passes through. */
TL_PUBLIC tl_state *tl_state_weights(const tl_state *s);

/* ---- Progress -------------------------------------------------------------------------------------------------- */

/** A progress bar: "label  41% |#######      | 12/29 3.1 it/s ETA 0:05 loss 0.231" on a terminal, redrawn at most ten times a
 *  second; elsewhere a plain line every ten seconds. Colours unless NO_COLOR is set. */
typedef struct tl_progress tl_progress;
/** NULL if `to` is NULL or memory is short; every function takes NULL and then does nothing. */
TL_PUBLIC tl_progress *tl_progress_new(FILE *to, const char *label, int64_t total);
/** `done` of the total are done; `note` (may be NULL) is shown at the end. */
TL_PUBLIC void tl_progress_update(tl_progress *p, int64_t done, const char *note);
/** Erase the bar and free it. */
TL_PUBLIC void tl_progress_end(tl_progress *p);

/* ---- Reports of a classification ---------------------------------------------------------------------------------- */

/** Counts of (true class, predicted class). */
typedef struct tl_confusion tl_confusion;
/** `names` has `classes` entries and is copied; NULL: numbers. */
TL_PUBLIC tl_confusion *tl_confusion_new(int64_t classes, const char *const *names);
/** Free it; NULL is allowed. */
TL_PUBLIC void tl_confusion_free(tl_confusion *c);
/** Count pairs of labels; integer tensors of equal numbers of elements. Out-of-range labels: an error, nothing counted. */
TL_PUBLIC tl_status tl_confusion_add(tl_confusion *c, tl_tensor *truth, tl_tensor *predicted);
/** Number of classes, and the name of class i, borrowed. */
TL_PUBLIC int64_t tl_confusion_classes(const tl_confusion *c);
TL_PUBLIC const char *tl_confusion_name(const tl_confusion *c, int64_t i);
/** How many samples of class `truth` were predicted as `predicted`, and how many there are in all. */
TL_PUBLIC int64_t tl_confusion_at(const tl_confusion *c, int64_t truth, int64_t predicted);
TL_PUBLIC int64_t tl_confusion_total(const tl_confusion *c);

/** Precision, recall, F1 and support: of a class, or averaged. */
struct tl_scores {
    double precision, recall, f1;
    int64_t support;
};
/** Options of tl_classification_report(). */
struct tl_report_options {
    size_t struct_size;
    int digits;           /**< after the point; default 2 */
    double zero_division; /**< value of 0 / 0 (no such prediction, no such sample): 0 (default), 1 or NaN, which averages leave out */
    bool all_classes;     /**< also classes that appear neither as truth nor as prediction */
};
/** Scores of class i, and their mean over the classes that occur, plain or weighted by support. zero_division is the value of
 *  0 / 0; NaN leaves a class out of the mean. */
TL_PUBLIC struct tl_scores tl_confusion_scores(const tl_confusion *c, int64_t i, double zero_division);
TL_PUBLIC struct tl_scores tl_confusion_average(const tl_confusion *c, bool weighted, double zero_division);
/** Share of samples that were predicted right; 0 if there are none. */
TL_PUBLIC double tl_confusion_accuracy(const tl_confusion *c);
/** The text of scikit-learn's classification_report(). malloc()ed. NULL options: zeros. */
TL_PUBLIC char *tl_classification_report(const tl_confusion *c, const struct tl_report_options *o);
/** The matrix as text: a row a true class, a column a predicted one. malloc()ed. */
TL_PUBLIC char *tl_confusion_to_string(const tl_confusion *c);

/* ---- Scores of a regression ---------------------------------------------------------------------------------------- */

/** Sums over pairs of outputs and targets, in double precision, column by column. */
typedef struct tl_regression tl_regression;
TL_PUBLIC tl_regression *tl_regression_new(int64_t columns);
TL_PUBLIC void tl_regression_free(tl_regression *r);
/** Count the samples of a batch: [n, columns], or [n] for one column; the two need not have the same of these shapes. */
TL_PUBLIC tl_status tl_regression_add(tl_regression *r, tl_tensor *output, tl_tensor *target);
/** As scikit-learn's r2_score, mean_absolute_error and mean_squared_error: means over the columns. R² = 1 - (sum of squared errors) /
 *  (sum of squared distances of the targets from their mean); of constant targets 1 if they are hit and else 0; NaN for
 *  fewer than two samples. */
struct tl_regression_scores {
    int64_t samples;
    double r2, mean_absolute_error, mean_squared_error;
};
TL_PUBLIC struct tl_regression_scores tl_regression_scores(const tl_regression *r);

/* ---- Summary of a network ------------------------------------------------------------------------------------------ */

/** One module of a summary, in the order in which they ran; behind these the modules with parameters of their own that did not
 *  run. */
struct tl_summary_row {
    const char *name;  /**< dotted name; "" for the root */
    const char *kind;  /**< "Conv2d" */
    int depth;         /**< 0 for the root */
    bool leaf;
    int ndim;          /**< of its output, with the batch */
    int64_t shape[TL_MAX_DIMS];
    int64_t parameters;    /**< its own, children not counted */
    int64_t multiply_adds; /**< of a whole batch, its own: of the convolutions, matrix products and recurrent ops that it calls itself */
    bool idle;             /**< it did not run: no shape, no multiply-adds */
    bool failed;           /**< it, or one inside it, could not run on what it was given: no shape, no multiply-adds */
};
typedef struct tl_summary tl_summary;
/** Walk m once on an input of this shape (with the batch), f32, in evaluation mode, and note what every module does. Nothing is
 *  computed and no memory taken for tensors: for the time of the call m's parameters and buffers stand for tensors on the device
 *  "meta" (see tl_has_values()), so nothing else may use m meanwhile. A forward that looks at values cannot be walked, and a
 *  tensor that m keeps without having registered it as a buffer is not on that device; the error says so. Values, gradients and
 *  modes are what they were after. */
TL_PUBLIC tl_summary *tl_summarize(tl_module *m, int ndim, const int64_t *shape);
/** The same, but of a forward pass that fails as far as it came; the error, which names the layer that failed and what it was given, stays
 *  set. Its table has no totals; tl_summary_totals() adds up the rows that there are. */
TL_PUBLIC tl_summary *tl_summarize_partly(tl_module *m, int ndim, const int64_t *shape);
/** How to summarise. */
struct tl_summary_options {
    size_t struct_size;
    bool partly;           /**< as tl_summarize_partly() */
    const char *optimizer; /**< as in tl_optimizer_named(): walk a step of training with it, too, for its memory. NULL: do not */
    double momentum;       /**< its momentum; 0: its default */
};
/** tl_summarize() of n inputs of shape and dtype of those given, whose values do not matter: tokens (i64), a sequence and its state. With options:
 *  tl_summarize_inputs(net, &x, 1, .optimizer = "adam"). */
#define tl_summarize_inputs(m, x, ...)                       \
    tl_summarize_with(m, x, TL_FIRST_(__VA_ARGS__, 0),       \
                      &(struct tl_summary_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_summary_options))})
TL_PUBLIC tl_summary *tl_summarize_with(tl_module *m, tl_tensor *const *x, int n, const struct tl_summary_options *options);
/** Free it; NULL is allowed. */
TL_PUBLIC void tl_summary_free(tl_summary *s);
/** Number of rows, and row i, borrowed; NULL past the end. */
TL_PUBLIC size_t tl_summary_count(const tl_summary *s);
TL_PUBLIC const struct tl_summary_row *tl_summary_at(const tl_summary *s, size_t i);
/** Totals: parameters (shared ones once, as tl_module_parameter_count()), those of them that are trained, multiply-adds, and
 *  bytes of input, of outputs of all leaves, and of parameters and buffers. */
struct tl_summary_totals {
    int64_t parameters, trainable, multiply_adds, input_bytes, output_bytes, weight_bytes;
};
/** Add them up. */
TL_PUBLIC struct tl_summary_totals tl_summary_totals(const tl_summary *s);

/** Bytes of memory, counted by the storages that are alive during a walk: elements times their size. An allocator rounds them up
 *  (Telar's by at most an eighth), and kernels take more beside them: scratch memory, weights and activations in layouts of
 *  their own, and what a forward kernel leaves for its gradient's, which of recurrent layers is several times their output.
 *  Where the forward failed all but the first two are what it came to. */
struct tl_summary_memory {
    int64_t parameters, buffers;
    int64_t inference; /**< the most alive at a time in a forward pass without gradients: parameters, buffers, input, and activations not yet let go */
    int64_t gradients; /**< of all parameters that are trained */
    int64_t state;     /**< of the optimizer: moments */
    int64_t saved;     /**< what the forward pass in training mode leaves alive for the backward pass, the output included */
    int64_t training;  /**< the most alive at a time in a step that is not the first: parameters, buffers, input, state, saved activations as far as the
                        *   backward pass still needs them, and gradients, those of parameters as far as they have come. The step is forward in
                        *   training mode, backward from a gradient of the output (no loss), update. 0: no optimizer was named, or see
                        *   tl_summary_untrained() */
};
/** The memory that was counted. */
TL_PUBLIC struct tl_summary_memory tl_summary_memory(const tl_summary *s);
/** Why no step of training could be walked with the optimizer that was named: a batch norm over a single value, nothing to
 *  train. NULL: it could, or none was named. Lives as long as s. */
TL_PUBLIC const char *tl_summary_untrained(const tl_summary *s);
/** As a table. malloc()ed. */
TL_PUBLIC char *tl_summary_to_string(const tl_summary *s);

#ifdef __cplusplus
}
#endif
#endif
