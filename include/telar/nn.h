/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/nn.h>: modules and layers (libtelar-nn). Names, initialisation and the order of random draws are PyTorch's,
 * so a network built after tl_manual_seed(0) starts with PyTorch's weights, and its state_dict has PyTorch's keys.
 *
 * Ownership: a module is made with one reference, which its maker owns; adding it to a parent hands that reference
 * over. Free the root with tl_module_free(). Constructors return NULL and set the error; adding NULL fails with that
 * same error, and so does every later addition to the same module, so a whole network may be built before one check
 * of the last addition.
 *
 * Threads: any number of them may run one module forward at the same time, in evaluation mode and with gradients off or on. Values may
 * change meanwhile (an optimizer's step, a state that is loaded): a forward pass then sees some of the old ones and some of the new. What
 * the module is made of may not: adding and replacing modules, moving to another device or type, and freeing are for one thread
 * alone, when no other uses the module.
 */
#ifndef TELAR_NN_H
#define TELAR_NN_H

#include <telar/data.h>
#include <telar/function.h>
#include <telar/optim.h>
#include <telar/state.h>
#include <telar/telar.h>
#include <telar/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A kind of module: what a user's own module provides. Constant. Zeroed slots are optional. */
struct tl_module_class {
    size_t struct_size;
    const char *name; /**< "Linear": what printing shows */
    /** Compute the output. Runs in a scope of its own; inputs are `n` tensors. Must not change the module's fields, so that
     *  several threads can use one module. Required. */
    tl_tensor *(*forward)(tl_module *m, tl_tensor *const *x, int n);
    /** Write the text between the parentheses when printed: "in_features=3, out_features=2, bias=True". */
    void (*extra)(const tl_module *m, char *buffer, size_t size);
    /** Release what `fields` holds besides parameters, buffers and children. */
    void (*destroy)(tl_module *m);
    int inputs; /**< forward takes exactly so many, and is not called with others; 0: it says itself what it takes */
};

/** A module of class `c` with `size` bytes of zeroed fields of its own. */
TL_PUBLIC tl_module *tl_module_new(const struct tl_module_class *c, size_t size);
/** A module whose forward is a plain function with a context; the usual way to write a network:
 *  tl_module *net = tl_module_from("Net", forward, NULL); conv1 = tl_module_add(net, "conv1", tl_nn_conv2d(1, 6, 5)); … */
TL_PUBLIC tl_module *tl_module_from(const char *name, tl_tensor *(*forward)(tl_module *m, tl_tensor *x, void *ctx), void *ctx);
/** Free a module and all below it: for roots, which no parent owns. NULL is allowed. */
TL_PUBLIC void tl_module_free(tl_module *m);
/** The module's own fields, borrowed. */
TL_PUBLIC void *tl_module_fields(const tl_module *m);
/** Name and description of its class: "Linear". */
TL_PUBLIC const char *tl_module_name(const tl_module *m);
TL_PUBLIC const struct tl_module_class *tl_module_class_of(const tl_module *m);

/** Hand child over to m under `name`, and return it (NULL passes through; on failure child is freed). */
TL_PUBLIC tl_module *tl_module_add(tl_module *m, const char *name, tl_module *child);
/** Replace a child by dotted name ("fc", "features.3"); frees the old one. */
TL_PUBLIC tl_status tl_module_replace(tl_module *m, const char *name, tl_module *child);
/** Register a parameter (made to require gradients) or a buffer (saved, not trained) and keep it. Parameters of
 *  NULL fail; TL_NONE registers an absent one (bias=False). Returns t. */
TL_PUBLIC tl_tensor *tl_module_parameter(tl_module *m, const char *name, tl_tensor *t);
TL_PUBLIC tl_tensor *tl_module_buffer(tl_module *m, const char *name, tl_tensor *t);
/** Child, parameter or buffer by dotted name, borrowed; NULL and TL_ERR_NOT_FOUND. A parameter registered as TL_NONE is TL_NONE. */
TL_PUBLIC tl_module *tl_module_child(const tl_module *m, const char *name);
TL_PUBLIC tl_tensor *tl_module_get(const tl_module *m, const char *name);
/** Number of children, and child i, borrowed, with its name (may be NULL); NULL past the end. */
TL_PUBLIC size_t tl_module_n_children(const tl_module *m);
TL_PUBLIC tl_module *tl_module_child_at(const tl_module *m, size_t i, const char **name);

/** Apply m to x (to several inputs). Scope-owned result. */
TL_PUBLIC tl_tensor *tl_forward(tl_module *m, tl_tensor *x);
TL_PUBLIC tl_tensor *tl_forward_n(tl_module *m, tl_tensor *const *x, int n);
/** Apply the child of m that has this dotted name: tl_forward(tl_module_child(m, "conv1"), x). */
TL_PUBLIC tl_tensor *tl_forward_child(tl_module *m, const char *name, tl_tensor *x);

/** Sees every tl_forward() of the calling thread, children inside their parents: for summaries, traces, timings. Slots are
 *  optional; `out` is NULL if the forward failed. Watching changes nothing else. */
struct tl_module_observer {
    void (*before)(tl_module *m, void *ctx);
    void (*after)(tl_module *m, tl_tensor *const *in, int n, tl_tensor *out, void *ctx);
    void *ctx;
};
/** Install one (NULL: none) for the calling thread; it must live until it is replaced. Returns the one before. */
TL_PUBLIC const struct tl_module_observer *tl_module_observe(const struct tl_module_observer *o);

/** Walk parameters or buffers in PyTorch's order (own first, then children), each shared one once. The callback gets the
 *  dotted name and may return a status to stop with. */
typedef tl_status (*tl_module_visit)(const char *name, tl_tensor *t, void *ctx);
TL_PUBLIC tl_status tl_module_parameters(tl_module *m, tl_module_visit visit, void *ctx);
TL_PUBLIC tl_status tl_module_buffers(tl_module *m, tl_module_visit visit, void *ctx);
/** Walk modules: the root with name "", then children, depth first. */
TL_PUBLIC tl_status tl_modules(tl_module *m, tl_status (*visit)(const char *name, tl_module *m, void *ctx), void *ctx);
/** Parameter tensors as an array: returns the number; fills at most capacity, borrowed. */
TL_PUBLIC size_t tl_module_parameter_list(tl_module *m, tl_tensor **list, size_t capacity);
/** Number of elements in all parameters. */
TL_PUBLIC int64_t tl_module_parameter_count(tl_module *m);

/** Set training or evaluation mode of m and all below, and ask for m's. Modules are made in training mode. */
TL_PUBLIC void tl_train(tl_module *m);
TL_PUBLIC void tl_eval(tl_module *m);
TL_PUBLIC bool tl_is_training(const tl_module *m);
/** Hold m and all below in evaluation mode, whatever tl_train() says from now on, or let go of them again (their mode then stays what it is). For
 *  parts of a network that is trained, in loops of one's own and in tl_fit(): a batch norm whose statistics are to stay, with frozen parameters or
 *  without. Layers that are put in later are not held. */
TL_PUBLIC void tl_hold_eval(tl_module *m, bool hold);
/** Drop the gradients of all parameters (as PyTorch's set_to_none). */
TL_PUBLIC void tl_zero_grad(tl_module *m);
/** Move every parameter and buffer to a device, or convert the floating ones to a floating dtype. Everything is converted before
 *  anything is replaced: a failure changes nothing. Optimizers over the module are made afterwards. */
TL_PUBLIC tl_status tl_module_to(tl_module *m, const char *device);
TL_PUBLIC tl_status tl_module_to_dtype(tl_module *m, tl_dtype dtype);

/** Stop training the parameters whose dotted names match, and start again: patterns as of a shell, several with commas, "*" for all
 *  ("layer1.*,conv1.weight"). Frozen parameters need no memory for gradients, and the backward pass stops where all below is frozen. Running
 *  statistics of batch norms are no parameters, and go on moving in training, as in PyTorch: tl_hold_eval() leaves them alone. *n (NULL is allowed): how many matched.
 *  A pattern that matches nothing is TL_ERR_NOT_FOUND, and changes nothing. Make the optimizer afterwards. */
TL_PUBLIC tl_status tl_module_freeze(tl_module *m, const char *patterns, size_t *n);
TL_PUBLIC tl_status tl_module_unfreeze(tl_module *m, const char *patterns, size_t *n);

/** Parameters and buffers by name (sharing storage); free with tl_state_free(). */
TL_PUBLIC tl_state *tl_module_state(tl_module *m);
/** How names of a state meet those of a module. Zero: strictly, and "module." is taken off where every name begins with it, as PyTorch's
 *  DataParallel saves, unless the module has a part of that name. */
struct tl_load_options {
    size_t struct_size;
    bool lenient;       /**< missing and unexpected names are allowed; another shape never is */
    const char *prefix; /**< take this off; names that do not begin with it are passed over. "": take nothing off */
    bool assign;        /**< take the state's tensors over instead of copying their values */
};
/** Copy values in, or with .assign take the tensors over (PyTorch's assign=True): each parameter and buffer stays the tensor that it is, with what
 *  it requires, and its memory becomes that of the state's tensor, which saves the copy, and its own memory from then on. Types and devices stay as they
 *  are, at the price of a copy where the state has others; one on "meta", which has no memory, gets some where the state's tensor is. Memory that
 *  several of them would share, or that has gaps, is copied, too. Of a file, weights then lie in the map (see tl_state_load()): nobody may shorten or
 *  overwrite it in place while the module lives.
 *
 *  Everything is checked first: all missing, unexpected and mis-shaped names are listed at once and
 *  nothing is changed. With strict false, missing and unexpected names are allowed. Names that begin with "telar." are not weights, and passed
 *  over. Counters num_batches_tracked may all be missing, since PyTorch before 0.4.1 had none. */
TL_PUBLIC tl_status tl_module_load_state(tl_module *m, const tl_state *s, bool strict);
/** The same with options; NULL: none. */
TL_PUBLIC tl_status tl_module_load_state_with(tl_module *m, const tl_state *s, const struct tl_load_options *o);
/** tl_state_save(tl_module_state(m), path). */
TL_PUBLIC tl_status tl_module_save(tl_module *m, const char *path);
/** tl_state_load(path), then tl_module_load_state_with(): tl_module_load(net, "resnet18.pth", .lenient = true). Of a checkpoint: the weights that it
 *  has to use. */
#define tl_module_load(m, ...)                            \
    tl_module_load_with(m, TL_FIRST_(__VA_ARGS__, 0),     \
                        &(struct tl_load_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_load_options))})
TL_PUBLIC tl_status tl_module_load_with(tl_module *m, const char *path, const struct tl_load_options *o);

/** Print as PyTorch prints a module, on standard output. To string: malloc()ed. */
TL_PUBLIC tl_status tl_module_print(const tl_module *m);
TL_PUBLIC char *tl_module_to_string(const tl_module *m);

/* ---- Layers ------------------------------------------------------------------------------------------------------- */

/** Options of layers; the zero value is PyTorch's default, and an explicit 0 is TL_ZERO, or TL_NONE_SIZE in a pair (<telar/attrs.h>).
 *  Each layer's comment says which it has; another one that is set is TL_ERR_ARGUMENT. */
struct tl_layer_options {
    size_t struct_size; /**< set by the macros */
    bool no_bias;
    int64_t stride[2], padding[2], dilation[2], output_padding[2]; /**< pairs as in attrs.h */
    int64_t groups;
    double eps, momentum; /**< batch and layer norm */
    bool not_affine, not_tracked;
    bool ceil_mode, exclude_pad;
    bool padding_row; /**< embedding: padding_idx is given */
    int64_t padding_idx;
    bool in_place; /**< relu: overwrite the input */
    int64_t num_layers; /**< recurrent layers: how many, one on the other (1) */
    bool batch_first, bidirectional;
    double dropout; /**< between them */
    bool relu;      /**< rnn: relu in place of tanh */
};
#define TL_LAYER_(...) (&(struct tl_layer_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_layer_options))})

/** Layers in order, named "0", "1", …: TL_SEQUENTIAL(a, b, c). A failed (NULL) layer makes it fail and frees the others. C
 *  leaves open in which order a, b and c are made; where the order of random draws matters, make them one statement each. */
#define TL_SEQUENTIAL(...) \
    tl_sequential_of(sizeof((tl_module *[]){__VA_ARGS__}) / sizeof(tl_module *), (tl_module *[]){__VA_ARGS__})
TL_PUBLIC tl_module *tl_sequential_of(size_t n, tl_module *const *layers);
/** An empty one; add layers with tl_sequential_append(), or named ones with tl_module_add(). */
TL_PUBLIC tl_module *tl_sequential_new(void);
/** Hand layer over to m, named by the number of those before it, and return it, as tl_module_add() does. */
TL_PUBLIC tl_module *tl_sequential_append(tl_module *m, tl_module *layer);

/** y = x W^T + b, W [out, in]. Options: no_bias. */
#define tl_nn_linear(in, ...) tl_nn_linear_with(in, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_linear_with(int64_t in, int64_t out, const struct tl_layer_options *o);
/** tl_nn_conv2d(in, out, kernel, .stride = {2}). kernel is the side of a square; tl_nn_conv2d_rect() takes two.
 *  Options: stride padding dilation groups no_bias. */
#define tl_nn_conv2d(in, out, ...) \
    tl_nn_conv2d_with(in, out, TL_FIRST_(__VA_ARGS__, 0), TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_conv2d_rect(in, out, kernel_h, ...) tl_nn_conv2d_with(in, out, kernel_h, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_conv2d_with(int64_t in, int64_t out, int64_t kernel_h, int64_t kernel_w, const struct tl_layer_options *o);
/** Over sequences [n, in, l]. Options: stride padding dilation (one number each) groups no_bias. */
#define tl_nn_conv1d(in, out, ...) tl_nn_conv1d_with(in, out, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_conv1d_with(int64_t in, int64_t out, int64_t kernel, const struct tl_layer_options *o);
/** The gradient of a convolution with respect to its input, as a layer: pictures grow. Options: stride padding output_padding
 *  dilation groups no_bias. */
#define tl_nn_conv_transpose2d(in, out, ...) \
    tl_nn_conv_transpose2d_with(in, out, TL_FIRST_(__VA_ARGS__, 0), TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_conv_transpose2d_rect(in, out, kernel_h, ...) \
    tl_nn_conv_transpose2d_with(in, out, kernel_h, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_conv_transpose2d_with(int64_t in, int64_t out, int64_t kernel_h, int64_t kernel_w,
                                                 const struct tl_layer_options *o);
/** Normalise each of `features` channels over the batch: [n, c] or [n, c, l], and [n, c, h, w]. Options: eps (1e-5) momentum (0.1)
 *  not_affine no_bias not_tracked. */
#define tl_nn_batch_norm1d(...) tl_nn_batch_norm_with(1, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_batch_norm2d(...) tl_nn_batch_norm_with(2, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_batch_norm_with(int spatial, int64_t features, const struct tl_layer_options *o);
/** Normalise each sample over the last ndim dimensions, of these sizes; tl_nn_layer_norm(n): over the last, of size n. Options: eps not_affine
 *  no_bias. */
#define tl_nn_layer_norm(...) \
    tl_nn_layer_norm_with(1, (const int64_t[]){TL_FIRST_(__VA_ARGS__, 0)}, TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_layer_norm_with(int ndim, const int64_t *shape, const struct tl_layer_options *o);
/** Rows of a table [rows, columns] by index. Options: padding_row padding_idx. */
#define tl_nn_embedding(rows, ...) tl_nn_embedding_with(rows, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_embedding_with(int64_t rows, int64_t columns, const struct tl_layer_options *o);
/** Recurrent layers, tl_nn_lstm(features, hidden, .num_layers = 2), over sequences [t, n, features] or, with batch_first, [n, t, features]; a
 *  single sample may come without its n. Gives the state of the last layer after every step, [t, n, hidden], of both directions side by side
 *  with bidirectional. Formulas: tl_rnn(). Options: num_layers no_bias batch_first dropout bidirectional, and of rnn relu. Dropout is applied to the
 *  result of every layer but the last, while training. tl_forward_n() also takes the state to begin with: x, h, and c of an LSTM. */
#define tl_nn_rnn(features, ...) tl_nn_rnn_with(features, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_lstm(features, ...) tl_nn_lstm_with(features, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_gru(features, ...) tl_nn_gru_with(features, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_rnn_with(int64_t features, int64_t hidden, const struct tl_layer_options *o);
TL_PUBLIC tl_module *tl_nn_lstm_with(int64_t features, int64_t hidden, const struct tl_layer_options *o);
TL_PUBLIC tl_module *tl_nn_gru_with(int64_t features, int64_t hidden, const struct tl_layer_options *o);
/** One step of them, [n, features] -> [n, hidden]. Options: no_bias, and of rnn relu. */
#define tl_nn_rnn_cell(features, ...) tl_nn_rnn_cell_with(features, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_lstm_cell(features, ...) tl_nn_lstm_cell_with(features, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_gru_cell(features, ...) tl_nn_gru_cell_with(features, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_rnn_cell_with(int64_t features, int64_t hidden, const struct tl_layer_options *o);
TL_PUBLIC tl_module *tl_nn_lstm_cell_with(int64_t features, int64_t hidden, const struct tl_layer_options *o);
TL_PUBLIC tl_module *tl_nn_gru_cell_with(int64_t features, int64_t hidden, const struct tl_layer_options *o);
/** The state of a recurrent layer: h, and c of an LSTM, [num_layers * directions, n, hidden] each (layer by layer, forward before backward;
 *  a single sample has no n); of a cell [n, hidden]. */
struct tl_rnn_state {
    tl_tensor *h, *c;
};
/** Apply a recurrent layer or a cell, and carry its state: *state is what it begins with, zeros where h is NULL or TL_NONE, and becomes what
 *  it ends with. To go on from there in another backward pass, tl_detach() both. state NULL: from zeros, and the end is not told. lengths [n] i64,
 *  or TL_NONE: sample j has lengths[j] steps, as in PyTorch's packed sequences, in any order; beyond them the result is 0. Not for cells. */
TL_PUBLIC tl_tensor *tl_rnn_forward(tl_module *m, tl_tensor *x, tl_tensor *lengths, struct tl_rnn_state *state);
/** The largest of each window. tl_nn_max_pool2d(kernel, .stride = {1}): kernel is the side of a square; tl_nn_max_pool2d_rect()
 *  takes two. Options: stride (default: kernel) padding dilation ceil_mode. */
#define tl_nn_max_pool2d(...) tl_nn_max_pool2d_with(TL_FIRST_(__VA_ARGS__, 0), TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_max_pool2d_rect(kernel_h, ...) tl_nn_max_pool2d_with(kernel_h, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_max_pool2d_with(int64_t kernel_h, int64_t kernel_w, const struct tl_layer_options *o);
/** The mean of each window. Options: stride (default: kernel) padding ceil_mode exclude_pad. */
#define tl_nn_avg_pool2d(...) tl_nn_avg_pool2d_with(TL_FIRST_(__VA_ARGS__, 0), TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
#define tl_nn_avg_pool2d_rect(kernel_h, ...) tl_nn_avg_pool2d_with(kernel_h, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_avg_pool2d_with(int64_t kernel_h, int64_t kernel_w, const struct tl_layer_options *o);
/** Means over windows chosen so that h x w come out. */
TL_PUBLIC tl_module *tl_nn_adaptive_avg_pool2d(int64_t h, int64_t w);
/** Windows as columns. Options: stride padding dilation. */
#define tl_nn_unfold(...) tl_nn_unfold_with(TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_unfold_with(int64_t kernel, const struct tl_layer_options *o);
/** tl_nn_fold(h, w, kernel): columns into pictures of h x w. Options: stride padding dilation. */
#define tl_nn_fold(h, w, ...) tl_nn_fold_with(h, w, TL_FIRST_(__VA_ARGS__, 0), TL_LAYER_(__VA_ARGS__))
TL_PUBLIC tl_module *tl_nn_fold_with(int64_t h, int64_t w, int64_t kernel, const struct tl_layer_options *o);
/** Zero with chance p while training. tl_nn_dropout2d zeroes whole channels. */
TL_PUBLIC tl_module *tl_nn_dropout(double p);
TL_PUBLIC tl_module *tl_nn_dropout2d(double p);
/** Merge dimensions 1 … -1 into one; those from start_dim to end_dim with the _with form. */
TL_PUBLIC tl_module *tl_nn_flatten(void);
TL_PUBLIC tl_module *tl_nn_flatten_with(int start_dim, int end_dim);
/** Replace dimension dim by n of these sizes, of which one may be -1. */
TL_PUBLIC tl_module *tl_nn_unflatten(int dim, int n, const int64_t *sizes);
/** The input as it is. */
TL_PUBLIC tl_module *tl_nn_identity(void);
/** max(0, x). tl_nn_relu(.in_place = true) overwrites its input. */
#define tl_nn_relu(...) tl_nn_relu_with(&(struct tl_layer_options){.struct_size = sizeof(struct tl_layer_options), __VA_ARGS__})
TL_PUBLIC tl_module *tl_nn_relu_with(const struct tl_layer_options *o);
/** Activations, as the pointwise functions of the same name in <telar/ops.h>; softplus with beta 1 and threshold 20. */
TL_PUBLIC tl_module *tl_nn_relu6(void);
TL_PUBLIC tl_module *tl_nn_leaky_relu(double slope);
TL_PUBLIC tl_module *tl_nn_elu(double alpha);
TL_PUBLIC tl_module *tl_nn_gelu(void);
TL_PUBLIC tl_module *tl_nn_silu(void);
TL_PUBLIC tl_module *tl_nn_sigmoid(void);
TL_PUBLIC tl_module *tl_nn_hard_sigmoid(void);
TL_PUBLIC tl_module *tl_nn_hardswish(void);
TL_PUBLIC tl_module *tl_nn_selu(void);
TL_PUBLIC tl_module *tl_nn_mish(void);
TL_PUBLIC tl_module *tl_nn_log_sigmoid(void);
TL_PUBLIC tl_module *tl_nn_tanh(void);
TL_PUBLIC tl_module *tl_nn_softplus(void);
/** tl_softmax() and tl_log_softmax() along dim. */
TL_PUBLIC tl_module *tl_nn_softmax(int dim);
TL_PUBLIC tl_module *tl_nn_log_softmax(int dim);

/* ---- Initialisation, in place; the default layers call these in PyTorch's order -------------------------------------- */

/** Uniform on [low, high), normal, all `value`. Like those below they draw from the default generator, and may be used on
 *  parameters: nothing is recorded. */
TL_PUBLIC tl_status tl_init_uniform(tl_tensor *t, double low, double high);
TL_PUBLIC tl_status tl_init_normal(tl_tensor *t, double mean, double std);
TL_PUBLIC tl_status tl_init_constant(tl_tensor *t, double value);
/** Glorot's: deviation gain sqrt(2 / (fan_in + fan_out)), where fan_in is size 1 and fan_out size 0 of t, each times the elements
 *  of a kernel. The uniform one draws from +- sqrt(3) deviations. Needs two dimensions or more. */
TL_PUBLIC tl_status tl_init_xavier_uniform(tl_tensor *t, double gain);
TL_PUBLIC tl_status tl_init_xavier_normal(tl_tensor *t, double gain);
/** He's: deviation sqrt(2 / (1 + a^2)) / sqrt(fan), a the negative slope of the activation that follows (0: ReLU), fan the fan_in or,
 *  with fan_out, the fan_out. The uniform one draws from +- sqrt(3) deviations. */
TL_PUBLIC tl_status tl_init_kaiming_uniform(tl_tensor *t, double a, bool fan_out);
TL_PUBLIC tl_status tl_init_kaiming_normal(tl_tensor *t, double a, bool fan_out);
/** Normal, where what falls outside of [low, high] is drawn again. Where most would, uniform numbers are accepted by their density
 *  instead; either way in the order of PyTorch 2.15. low must be less than high, and std more than 0. */
TL_PUBLIC tl_status tl_init_trunc_normal(tl_tensor *t, double mean, double std, double low, double high);
/** Seen as a matrix of its first size, t gets orthogonal columns of length gain, or rows, where it is wider than high. Multiplied with it again and
 *  again, a vector neither grows nor vanishes. Needs two dimensions or more. */
TL_PUBLIC tl_status tl_init_orthogonal(tl_tensor *t, double gain);

#ifdef __cplusplus
}
#endif

#include <telar/model.h> /* models by name, which need all of the above */

#endif
