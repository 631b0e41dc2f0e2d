/* SPDX-License-Identifier: Apache-2.0
 *
 * Calling a kernel's run(), and asking it whether it would.
 */
#ifndef TELAR_CORE_LAUNCH_H
#define TELAR_CORE_LAUNCH_H

#include "core/internal.h"

/** What is looked at after each call of a kernel; -1 until the environment was asked. */
enum { WATCH_LOG = 1, WATCH_USES = 2, WATCH_MEMORY = 4 };
extern atomic_int launch_watched;
int launch_watch_begin(void);
static inline int launch_watch(void)
{
    int watch = atomic_load_explicit(&launch_watched, memory_order_relaxed);
    return LIKELY(watch >= 0) ? watch : launch_watch_begin();
}

/** Say in the log that b does not take the call. */
static inline void launch_passed_over(const struct bound_kernel *b, const struct tl_call *c, const char *why)
{
    if (UNLIKELY(launch_watch() & WATCH_LOG))
        tl_log_message(TL_LOG_DEBUG, "kernel", "%s: %s passed over: %s", c->op, b->kernel->maker, why);
}

/** Why b refuses the call; NULL: it takes it. The call names the kernel from then on. */
static inline const char *launch_refused(const struct bound_kernel *b, struct tl_call *c)
{
    c->kernel = b->kernel;
    const char *why = b->kernel->refuses ? b->kernel->refuses(b->device, c) : NULL;
    if (UNLIKELY(why != NULL))
        launch_passed_over(b, c, why);
    return why;
}

tl_status launch_slowly(device *d, const struct bound_kernel *b, const struct tl_call *c, struct tl_mem workspace, tl_status s,
                        bool failed, int watch);

/** Run the call on the kernel that did not refuse it. An error is set unless TL_OK comes back. */
static inline tl_status launch(device *d, const struct bound_kernel *b, const void *plan, const struct tl_call *c, struct tl_mem workspace)
{
    unsigned errors = error_count;
    int watch = launch_watch();
    device_lock(d);
    tl_status s = b->kernel->run(b->stream, plan, c, workspace);
    device_unlock(d);
    bool failed = error_count != errors;
    if (LIKELY(s == TL_OK && !failed && watch == 0))
        return TL_OK;
    return launch_slowly(d, b, c, workspace, s, failed, watch);
}

#endif
