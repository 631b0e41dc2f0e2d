/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to nn/layers: what a module is made of, and what the layers share: parameters by position, checked options,
 * text for printing.
 */
#ifndef TELAR_NN_LAYERS_MODULE_H
#define TELAR_NN_LAYERS_MODULE_H

#include <telar/nn.h>

/* Modules inside modules: deeper trees are refused, because walks recurse. */
#define MAX_DEPTH 200

/* A parameter or a buffer. */
struct member {
    char *name;
    tl_tensor *tensor; /* a reference; TL_NONE: absent */
};
struct members {
    struct member *items;
    size_t n, capacity;
};

struct child {
    char *name;
    tl_module *module;
};

struct tl_module {
    const struct tl_module_class *class;
    char *name;
    tl_module *parent;
    int height; /* 1 + that of the tallest child */
    bool training;
    bool held; /* in evaluation mode, whatever is asked for */
    bool broken; /* an addition failed: nothing may be built on it */
    struct members parameters, buffers;
    struct child *children;
    size_t n_children, children_capacity;
    _Alignas(16) unsigned char fields[];
};

/* Member i in order of registration. */
static inline tl_tensor *parameter_at(const tl_module *m, size_t i)
{
    return m->parameters.items[i].tensor;
}
static inline tl_tensor *buffer_at(const tl_module *m, size_t i)
{
    return m->buffers.items[i].tensor;
}

/* tl_forward_n() with another body than the class's, for modules that give more than one tensor: what else it makes it hands out by
 * ctx, kept or returned beyond the scope that it runs in. */
typedef tl_tensor *module_body(tl_module *m, tl_tensor *const *x, int n, void *ctx);
tl_tensor *module_run(tl_module *m, tl_tensor *const *x, int n, module_body *body, void *ctx);

/* A fresh parameter of this shape, not initialised. NULL and an error. */
tl_tensor *layer_parameter(tl_module *m, const char *name, int ndim, const int64_t *shape);
/* PyTorch's default for weights and biases of linear and convolution layers: kaiming_uniform(a = sqrt 5) on the weight, then
 * uniform(± 1 / sqrt(fan_in)) on the bias unless that is TL_NONE. */
tl_status layer_init(tl_tensor *weight, tl_tensor *bias);
/* m if `status` is TL_OK, else NULL, and m is freed: the end of a constructor. */
tl_module *layer_finish(tl_module *m, tl_status status);
/* Is x a tensor of low to high dimensions? Else an error with the layout that is wanted: "[n, c, h, w]". */
bool layer_takes(const tl_module *m, const tl_tensor *x, int low, int high, const char *layout);
/* Is a size at least `least`? Else an error: "Linear: in_features is -1, …". */
bool layer_size(const char *kind, const char *what, int64_t value, int64_t least);

/* A pair of options: {0, 0} is `fallback` twice, {n, 0} is {n, n}, TL_NONE_SIZE is 0. */
struct pair {
    int64_t v[2];
};
struct pair layer_pair(const int64_t option[2], int64_t fallback);
/* The options that a kind of layer has, or'ed. */
enum {
    HAS_NO_BIAS = 1 << 0,
    HAS_STRIDE = 1 << 1,
    HAS_PADDING = 1 << 2,
    HAS_DILATION = 1 << 3,
    HAS_OUTPUT_PADDING = 1 << 4,
    HAS_GROUPS = 1 << 5,
    HAS_EPS = 1 << 6,
    HAS_MOMENTUM = 1 << 7,
    HAS_NOT_AFFINE = 1 << 8,
    HAS_NOT_TRACKED = 1 << 9,
    HAS_CEIL_MODE = 1 << 10,
    HAS_EXCLUDE_PAD = 1 << 11,
    HAS_PADDING_ROW = 1 << 12, /* and padding_idx */
    HAS_IN_PLACE = 1 << 13,
    HAS_NUM_LAYERS = 1 << 14,
    HAS_BATCH_FIRST = 1 << 15,
    HAS_BIDIRECTIONAL = 1 << 16,
    HAS_DROPOUT = 1 << 17,
    HAS_RELU = 1 << 18
};
/* *o becomes the caller's options, of which there may be fewer than here; NULL: none. false and an error if one is set that this kind of
 * layer does not have: it would do nothing, and nobody would know. */
bool layer_options(struct tl_layer_options *o, const struct tl_layer_options *given, const char *kind, unsigned has);

/* A number as Python prints it: 0.1, 1e-05, 1.0. Returns buffer. */
#define NUMBER_SIZE 32
const char *layer_number(char buffer[NUMBER_SIZE], double value);
/* Append to a text of `size` bytes, cutting what does not fit. */
void layer_text(char *buffer, size_t size, const char *format, ...) TL_PRINTF(3, 4);
/* Append "name=n" for an equal pair, "name=(a, b)" for another. */
void layer_text_pair(char *buffer, size_t size, const char *name, struct pair p);

/* A string in the making, which grows. After a failure (of memory) it stays as it was, and `failed` is set. */
struct string {
    char *text;
    size_t length, capacity;
    bool failed;
};
void string_add(struct string *s, const char *format, ...) TL_PRINTF(2, 3);
/* Go back to a former length. */
void string_cut(struct string *s, size_t length);
void string_free(struct string *s);

#endif
