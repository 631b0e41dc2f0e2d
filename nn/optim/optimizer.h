/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to nn/optim: what an optimizer is made of. An algorithm is one constant struct: the names of its moments, a
 * fused loop for parameters in host memory, and the same formula in tensor ops for all others.
 */
#ifndef TELAR_NN_OPTIM_OPTIMIZER_H
#define TELAR_NN_OPTIM_OPTIMIZER_H

#include <telar/nn.h>
#include <telar/op.h>

#include "nn/optim/steps/steps.h"
#include "nn/options.h"

/* A parameter with what is remembered about it. */
struct slot {
    tl_tensor *parameter;            /* a reference */
    tl_tensor *moments[MAX_MOMENTS]; /* references; NULL: not needed so far */
    size_t group;
    int64_t t;  /* updates so far */
    bool fresh; /* no gradient went into moment 0 yet */
};

struct algorithm {
    const char *name;
    const char *moments[MAX_MOMENTS]; /* PyTorch's names; NULL: none */
    double lr;                        /* PyTorch's default */
    const char *momentum;             /* what the group's momentum is called; NULL: it has none */
    /* Which moments do these settings use? Bit i: moment i. */
    unsigned (*uses)(const struct settings *s, const struct rates *r);
    void (*step)(const struct update *u);
    /* The same formula as the op optimizer_step: TL_STEP_…. */
    int64_t code;
};

extern const struct algorithm algorithm_sgd, algorithm_adam, algorithm_adamw, algorithm_adadelta, algorithm_rmsprop;

/* The numbers of the last update by optimizer_step, and the tensor on the device that has them: parameters that are updated alike share it. */
struct device_rates {
    double values[TL_RATES];
    tl_tensor *tensor; /* a reference; NULL: none yet */
};

struct tl_optimizer {
    const struct algorithm *algorithm;
    struct device_rates device_rates;
    struct settings settings;
    struct rates *groups;
    size_t n_groups;
    struct slot *slots;
    size_t n_slots, capacity;
};

/* An optimizer with one group over m's parameters, or over a list. NULL and an error. */
tl_optimizer *optimizer_new(const struct algorithm *a, tl_module *m, tl_tensor *const *parameters, size_t n, struct rates first,
                            struct settings settings);

/* `value` unless it is left out (0, but not TL_ZERO): then the default. */
double optimizer_option(double value, double fallback);
/* Is low <= value < high? Else an error. */
bool optimizer_range(const char *who, const char *what, double value, double low, double high);

/* Is t in host memory, contiguous, and f32 or f64? Then loops may run over its bytes. */
bool optimizer_plain(const tl_tensor *t);

/* Make the moments that are missing, as zeros. */
tl_status optimizer_make_moments(const tl_optimizer *o, struct slot *s, unsigned uses);
/* The update of one parameter, by whichever of the two ways fits its memory. */
tl_status optimizer_step_slot(tl_optimizer *o, struct slot *s, tl_tensor *g);
/* The same for all, where a program is being recorded (record.c). */
tl_status optimizer_record_step(tl_optimizer *o);

/* The update of one parameter that is not plain, by the op optimizer_step (device.c); with rates that are given; and the rates of its next
 * update. */
tl_status optimizer_step_op(struct device_rates *rates, const tl_optimizer *o, struct slot *s, tl_tensor *g, unsigned uses, bool first);
tl_status optimizer_step_with(const tl_optimizer *o, struct slot *s, tl_tensor *g, tl_tensor *rates, unsigned uses, bool first);
void optimizer_numbers(const tl_optimizer *o, const struct slot *s, double *v);
/* Give back what it keeps. */
void optimizer_rates_free(struct device_rates *rates);

#endif
