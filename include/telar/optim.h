/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/optim.h>: optimizers, learning-rate schedules, gradient clipping and early stopping (libtelar-nn). Formulas,
 * defaults and the order of operations are PyTorch's, so a run that starts from PyTorch's weights follows its losses.
 *
 *     tl_optimizer *o = tl_sgd(net, 0.05, .momentum = 0.9);
 *     tl_schedule *s = tl_cosine_lr(o, epochs, 0);
 *     … tl_optimizer_zero_grad(o); tl_backward(loss, TL_NONE, (struct tl_backward_options){0}); tl_optimizer_step(o); …
 *     … after each epoch: tl_schedule_step(s, validation_loss);
 *     tl_schedule_free(s);
 *     tl_optimizer_free(o);
 *
 * Optional settings are written by name. One that is left out, or 0, has PyTorch's default; to say 0 where the default
 * is not 0, write TL_ZERO (<telar/attrs.h>).
 */
#ifndef TELAR_OPTIM_H
#define TELAR_OPTIM_H

#include <telar/ops.h>
#include <telar/state.h>
#include <telar/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tl_optimizer tl_optimizer;
typedef struct tl_schedule tl_schedule;

/* ---- Optimizers ---------------------------------------------------------------------------------------------------
 *
 * Each trains the parameters of `m` (kept; m itself may be freed first), or, with m NULL, those of the list in
 * .parameters: n of them, .n_parameters = n. Both absent is an error, so that a module that could not be made passes its
 * error on. Make the optimizer after the module was moved to its device and dtype. NULL and an error on failure. */

#define TL_OPTIMIZER_(kind, ...) \
    TL_FIRST_(__VA_ARGS__, 0), (&(struct tl_##kind##_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_##kind##_options))})

/** Stochastic gradient descent: g += weight_decay p; b = momentum b + (1 - dampening) g, b = g at first; with nesterov
 *  g += momentum b, else g = b; p -= lr g. nesterov needs a momentum and no dampening. */
struct tl_sgd_options {
    size_t struct_size;
    double momentum, dampening, weight_decay;
    bool nesterov, maximize;
    tl_tensor *const *parameters;
    size_t n_parameters;
};
#define tl_sgd(m, ...) tl_sgd_with(m, TL_OPTIMIZER_(sgd, __VA_ARGS__))
TL_PUBLIC tl_optimizer *tl_sgd_with(tl_module *m, double lr, const struct tl_sgd_options *o);

/** Adam: beta1 (0.9), beta2 (0.999), eps (1e-8). weight_decay is added to the gradient (adamw: 0.01 by default, and
 *  taken off the weights directly: p *= 1 - lr weight_decay). amsgrad divides by the largest second moment so far. */
struct tl_adam_options {
    size_t struct_size;
    double beta1, beta2, eps, weight_decay;
    bool amsgrad, maximize;
    tl_tensor *const *parameters;
    size_t n_parameters;
};
#define tl_adam(m, ...) tl_adam_with(m, TL_OPTIMIZER_(adam, __VA_ARGS__))
#define tl_adamw(m, ...) tl_adamw_with(m, TL_OPTIMIZER_(adam, __VA_ARGS__))
TL_PUBLIC tl_optimizer *tl_adam_with(tl_module *m, double lr, const struct tl_adam_options *o);
TL_PUBLIC tl_optimizer *tl_adamw_with(tl_module *m, double lr, const struct tl_adam_options *o);

/** Adadelta: rho (0.9), eps (1e-6); the usual lr is 1. */
struct tl_adadelta_options {
    size_t struct_size;
    double rho, eps, weight_decay;
    bool maximize;
    tl_tensor *const *parameters;
    size_t n_parameters;
};
#define tl_adadelta(m, ...) tl_adadelta_with(m, TL_OPTIMIZER_(adadelta, __VA_ARGS__))
TL_PUBLIC tl_optimizer *tl_adadelta_with(tl_module *m, double lr, const struct tl_adadelta_options *o);

/** RMSprop: alpha (0.99), eps (1e-8); centered divides by the deviation of the gradient, not its root mean square. */
struct tl_rmsprop_options {
    size_t struct_size;
    double alpha, eps, weight_decay, momentum;
    bool centered, maximize;
    tl_tensor *const *parameters;
    size_t n_parameters;
};
#define tl_rmsprop(m, ...) tl_rmsprop_with(m, TL_OPTIMIZER_(rmsprop, __VA_ARGS__))
TL_PUBLIC tl_optimizer *tl_rmsprop_with(tl_module *m, double lr, const struct tl_rmsprop_options *o);

/** By name: "sgd", "adam", "adamw", "adadelta", "rmsprop". lr 0 means PyTorch's default for that optimizer. Momentum is
 *  beta1 of adam and adamw (0: 0.9); for adadelta anything but 0 is an error. */
TL_PUBLIC tl_optimizer *tl_optimizer_named(const char *name, tl_module *m, double lr, double momentum, double weight_decay);

/** Free it; NULL is allowed. Schedules over it must be freed first. */
TL_PUBLIC void tl_optimizer_free(tl_optimizer *o);
/** "sgd", … */
TL_PUBLIC const char *tl_optimizer_name(const tl_optimizer *o);

/** A further group of n parameters with a learning rate and a weight decay of its own (0: those of the first group;
 *  TL_ZERO: none). A parameter may be in one group only. Group 0 is the constructor's. */
struct tl_group_options {
    double lr, weight_decay;
};
TL_PUBLIC tl_status tl_optimizer_add_group(tl_optimizer *o, tl_tensor *const *parameters, size_t n, struct tl_group_options g);
/** Number of groups, the constructor's included. */
TL_PUBLIC size_t tl_optimizer_n_groups(const tl_optimizer *o);
/** The parameters of all groups in order, borrowed: returns their number and fills at most `capacity`. */
TL_PUBLIC size_t tl_optimizer_parameters(const tl_optimizer *o, tl_tensor **list, size_t capacity);

/** Update every parameter that has a gradient; the others stay as they are. Allocates nothing after a parameter's first step.
 *  On an error (a gradient of another shape or device, …) parameters before the named one are updated. */
TL_PUBLIC tl_status tl_optimizer_step(tl_optimizer *o);
/** Drop the gradients of all parameters (as PyTorch's set_to_none). */
TL_PUBLIC void tl_optimizer_zero_grad(tl_optimizer *o);

/** Learning rate of a group; NaN and an error if there is no such group. */
TL_PUBLIC double tl_optimizer_lr(const tl_optimizer *o, size_t group);
TL_PUBLIC tl_status tl_optimizer_set_lr(tl_optimizer *o, size_t group, double lr);
/** Momentum (Adam: beta1) of a group, which one-cycle schedules move. NaN and an error where there is none. */
TL_PUBLIC double tl_optimizer_momentum(const tl_optimizer *o, size_t group);
TL_PUBLIC tl_status tl_optimizer_set_momentum(tl_optimizer *o, size_t group, double momentum);

/** Add everything needed to go on exactly as if never stopped: rates, settings and moments, under names that begin with
 *  `prefix` ("optimizer."). Moments share storage with the optimizer's: write the state out before the next step. */
TL_PUBLIC tl_status tl_optimizer_save_state(tl_optimizer *o, tl_state *to, const char *prefix);
/** Read it back into an optimizer of the same kind over parameters of the same shapes. Everything is checked first; on an
 *  error nothing is changed. */
TL_PUBLIC tl_status tl_optimizer_load_state(tl_optimizer *o, const tl_state *from, const char *prefix);

/* ---- Gradient clipping -------------------------------------------------------------------------------------------- */

/** Scale the gradients of m's parameters so that their joint p-norm (p 0: 2; INFINITY: the largest magnitude) is at
 *  most max_norm. *norm (may be NULL) is what it was; it must be NULL while a program is recorded. */
TL_PUBLIC tl_status tl_clip_grad_norm(tl_module *m, double max_norm, double p, double *norm);
TL_PUBLIC tl_status tl_clip_grad_norm_list(tl_tensor *const *parameters, size_t n, double max_norm, double p, double *norm);
/** Bring every element of every gradient into [-limit, limit]. */
TL_PUBLIC tl_status tl_clip_grad_value(tl_module *m, double limit);
TL_PUBLIC tl_status tl_clip_grad_value_list(tl_tensor *const *parameters, size_t n, double limit);

/* ---- Learning-rate schedules ----------------------------------------------------------------------------------------
 *
 * A schedule moves the rates of all groups that its optimizer has when it is made. Several may be stacked over one optimizer
 * (a warm-up and a decay): each multiplies into the same rate, as PyTorch's chainable forms do. NULL and an error on bad
 * settings. The optimizer must outlive it. */

/** lr *= gamma (0.1 is usual) every step_size steps. */
TL_PUBLIC tl_schedule *tl_step_lr(tl_optimizer *o, int64_t step_size, double gamma);
/** lr *= gamma at each of n milestones (ascending steps). */
TL_PUBLIC tl_schedule *tl_multistep_lr(tl_optimizer *o, const int64_t *milestones, size_t n, double gamma);
/** lr *= gamma at every step. */
TL_PUBLIC tl_schedule *tl_exponential_lr(tl_optimizer *o, double gamma);
/** lr = eta_min + (lr0 - eta_min) (1 + cos(pi t / t_max)) / 2. */
TL_PUBLIC tl_schedule *tl_cosine_lr(tl_optimizer *o, int64_t t_max, double eta_min);
/** lr *= factor (1/3 is usual) for the first `steps` steps. */
TL_PUBLIC tl_schedule *tl_constant_lr(tl_optimizer *o, double factor, int64_t steps);
/** lr0 times a factor that goes from start (above 0) to end within `steps` steps, in a straight line. */
TL_PUBLIC tl_schedule *tl_linear_lr(tl_optimizer *o, double start, double end, int64_t steps);
/** lr = lr0 times factor(t, ctx). */
TL_PUBLIC tl_schedule *tl_lambda_lr(tl_optimizer *o, double (*factor)(int64_t t, void *ctx), void *ctx);

/** Up from max_lr / div_factor (25) to max_lr during the first pct_start (0.3) of total_steps, then down to that over
 *  final_div_factor (1e4). The momentum (Adam: beta1) goes from max_momentum (0.95) to base_momentum (0.85) and back;
 *  keep_momentum leaves it alone. linear: straight lines, not cosines. three_phase: down in two pieces. */
struct tl_one_cycle_options {
    size_t struct_size;
    double pct_start, div_factor, final_div_factor, base_momentum, max_momentum;
    bool linear, three_phase, keep_momentum;
};
#define tl_one_cycle_lr(o, max_lr, ...)                          \
    tl_one_cycle_lr_with(o, max_lr, TL_FIRST_(__VA_ARGS__, 0), \
                         &(struct tl_one_cycle_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_one_cycle_options))})
TL_PUBLIC tl_schedule *tl_one_cycle_lr_with(tl_optimizer *o, double max_lr, int64_t total_steps, const struct tl_one_cycle_options *c);

/** lr *= factor (0.1) when the metric has not improved for more than `patience` (10) steps. Improved: below best (1 -
 *  threshold), threshold 1e-4, or below best - threshold with .absolute; rises: larger is better. cooldown: steps of
 *  patience after a cut. A cut of less than eps (1e-8) is not made. patience 0 is written .patience = TL_NO_PATIENCE. */
struct tl_plateau_options {
    size_t struct_size;
    double factor, threshold, min_lr, eps;
    int64_t patience, cooldown;
    bool rises, absolute;
};
#define TL_NO_PATIENCE (-1)
#define tl_plateau_lr(...)                         \
    tl_plateau_lr_with(TL_FIRST_(__VA_ARGS__, 0), \
                       &(struct tl_plateau_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_plateau_options))})
TL_PUBLIC tl_schedule *tl_plateau_lr_with(tl_optimizer *o, const struct tl_plateau_options *p);

/** Free it; NULL is allowed. The rates stay where they are. */
TL_PUBLIC void tl_schedule_free(tl_schedule *s);
/** Go to the next step. `metric` is what plateau schedules watch; others ignore it (write 0). */
TL_PUBLIC tl_status tl_schedule_step(tl_schedule *s, double metric);
/** Does it watch a metric? */
TL_PUBLIC bool tl_schedule_watches_metric(const tl_schedule *s);
/** Steps taken so far. */
TL_PUBLIC int64_t tl_schedule_position(const tl_schedule *s);
/** As tl_optimizer_save_state(). The optimizer's own state has the rates; load both. */
TL_PUBLIC tl_status tl_schedule_save_state(const tl_schedule *s, tl_state *to, const char *prefix);
TL_PUBLIC tl_status tl_schedule_load_state(tl_schedule *s, const tl_state *from, const char *prefix);

/* ---- Early stopping --------------------------------------------------------------------------------------------------- */

typedef struct tl_early_stopping tl_early_stopping;

/** Options of early stopping. */
struct tl_early_stopping_options {
    size_t struct_size;
    int64_t patience;  /**< steps without improvement that are borne; the next one stops. 0: stop at the first */
    double min_delta;  /**< less than this is no improvement */
    bool rises;        /**< larger is better */
    tl_module *module; /**< keep a copy of its parameters and buffers as they were at the best step; NULL: do not */
};
/** tl_early_stopping_new(.patience = 5, .module = net). The module must outlive it. */
#define tl_early_stopping_new(...) \
    tl_early_stopping_with(&(struct tl_early_stopping_options){.struct_size = sizeof(struct tl_early_stopping_options), __VA_ARGS__})
TL_PUBLIC tl_early_stopping *tl_early_stopping_with(const struct tl_early_stopping_options *o); /**< o may be NULL */
/** Free it; NULL is allowed. */
TL_PUBLIC void tl_early_stopping_free(tl_early_stopping *e);
/** Report a step's metric. *stop says whether to end. NaN is never an improvement. */
TL_PUBLIC tl_status tl_early_stopping_step(tl_early_stopping *e, double metric, bool *stop);
/** Best metric so far (NaN before the first step) and its step, from 1 (0: none). */
TL_PUBLIC double tl_early_stopping_best(const tl_early_stopping *e, int64_t *step);
/** Put the best step's parameters and buffers back into the module. */
TL_PUBLIC tl_status tl_early_stopping_restore(tl_early_stopping *e);
/** As tl_optimizer_save_state() and tl_optimizer_load_state(): the counts, the best metric and, if it keeps them, the weights of the
 *  best step. The options (patience and so on) are not saved: those of the object that loads hold. */
TL_PUBLIC tl_status tl_early_stopping_save_state(const tl_early_stopping *e, tl_state *to, const char *prefix);
TL_PUBLIC tl_status tl_early_stopping_load_state(tl_early_stopping *e, const tl_state *from, const char *prefix);

#ifdef __cplusplus
}
#endif
#endif
