/* SPDX-License-Identifier: Apache-2.0
 *
 * cuDNN's graphs: tensors and operations are described, heuristics propose engines for them, and an engine that takes the graph becomes a plan that
 * runs it. What cuDNN refuses is no error here, but words for the log: the next proposal is asked, and at the end the next kernel.
 *
 * All of it uses the device's handle: the caller holds the device's lock, but for graph_run(), which takes it.
 */
#ifndef TELAR_BACKENDS_CUDA_GRAPH_H
#define TELAR_BACKENDS_CUDA_GRAPH_H

#include "backend.h"

/** A graph while it is described. After the first refusal nothing more is asked, and `refused` says what it was. */
struct graph {
    struct cuda_device *device;
    cudnnBackendDescriptor_t parts[16]; /**< owned */
    int n_parts;
    char refused[400];
};

/** Tensors are told apart by numbers of the caller's, from 1. All operands are promised to begin at multiples of this. */
enum { GRAPH_ALIGNMENT = 16 };

struct graph_tensor {
    int64_t id;
    tl_dtype dtype;
    bool within; /**< between two operations only: it has no memory */
    int64_t shape[4], stride[4];
};

enum graph_conv { GRAPH_FORWARD, GRAPH_GRAD_INPUT, GRAPH_GRAD_WEIGHT };

/** Parts of a graph; NULL after a refusal. Computing is in f64 where `wide`, else in f32. */
cudnnBackendDescriptor_t graph_tensor(struct graph *g, const struct graph_tensor *t);
cudnnBackendDescriptor_t graph_convolution(struct graph *g, enum graph_conv kind, const struct tl_conv2d_attrs *attrs, bool wide,
                                           cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y);
cudnnBackendDescriptor_t graph_add(struct graph *g, bool wide, cudnnBackendDescriptor_t a, cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y);
cudnnBackendDescriptor_t graph_close(struct graph *g, const cudnnBackendDescriptor_t *operations, int n);

/** Frees the parts; plans that were made of them stay. */
void graph_free(struct graph *g);

/** Which engines are taken. Never one whose results do not repeat, or that adds in less than f32. */
struct graph_wish {
    tl_dtype dtype;   /**< of the operands */
    bool tf32;        /**< f32 may be multiplied as TF32 */
    bool tensor_cores; /**< nothing is wanted if what is thought to be the fastest does without them */
    bool strict;      /**< no engine that multiplies in another way than the formula says (Winograd, Fourier) */
    size_t workspace; /**< the most that it may want */
};

struct graph_plan {
    cudnnBackendDescriptor_t config, plan;
    int64_t engine;  /**< its number within cuDNN */
    int32_t proposal; /**< which of the proposals that the wish allows it was */
    size_t workspace;
    char notes[160]; /**< what cuDNN says of how the engine computes */
};

/** Up to `most` plans for a closed graph, best first; how many. With `proposal` >= 0 only that one is tried. */
int graph_plans(struct graph *g, cudnnBackendDescriptor_t closed, const struct graph_wish *wish, int32_t proposal, struct graph_plan *plans, int most);
void graph_plan_free(struct graph_plan *plan);

struct graph_operand {
    int64_t id;
    CUdeviceptr at;
    size_t bytes;
    bool written;
};

/** Enqueue a plan on the handle's queue. */
cudnnStatus_t graph_execute(struct cuda_device *device, const struct graph_plan *plan, const struct graph_operand *operands, int n,
                            CUdeviceptr workspace);

/** The same in a kernel's run(). An operand that is not aligned as promised is copied for the time. */
tl_status graph_run(struct cuda_stream *stream, const char *op, const struct graph_plan *plan, const struct graph_operand *operands, int n,
                    CUdeviceptr workspace);

#endif
