/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared plans of kernels, kept from call to call. A caller acquires the plan of its call, runs the kernel, and releases the
 * plan, on one thread; until then it stays. See plan.c for what is kept, and for how long.
 */
#ifndef TELAR_CORE_PLAN_H
#define TELAR_CORE_PLAN_H

#include "core/internal.h"

struct plan {
    struct plan *newer, *older; /* neighbours by last use; nobody's but the cache's, as all that is not named below */
    struct plan *chained;       /* the next of its bucket, or of a list that waits to be freed */
    uint64_t hash;
    size_t key_size;
    unsigned char *key;
    int holders;

    const struct tl_kernel *kernel;
    device *device;
    void *plan;                         /**< what the kernel's run() is given */
    const char *declined;               /**< the kernel's prepare() would not: why. There is no plan then */
    size_t workspace, residual;         /**< bytes */
    uint32_t *in_layout, *out_layout;   /**< n_in, n_out */
};

/** The plan for a call of b, found or made, which may be that there is none (`declined`); NULL and an error. `*counted` is for plan_release(). */
struct plan *plan_acquire(const struct op_entry *e, device *d, const struct bound_kernel *b, const struct tl_call *c, bool *counted);
void plan_release(struct plan *p, bool counted);
/** The same for a holder that keeps it, on whatever thread: released with `counted` true. */
struct plan *plan_keep(const struct op_entry *e, device *d, const struct bound_kernel *b, const struct tl_call *c);

/** A device with a queue may still run what was enqueued with a plan that nobody else needs. Such plans wait here. Taken before the
 *  device is waited for, they are free after. */
struct plan *plans_take_retired(const device *d);
void plans_free(struct plan *list);

#endif
