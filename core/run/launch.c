/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that calls a kernel's run(), and what is the same around all of them: the queue's lock, a status that means something,
 * the error that goes with it, and who took the call, for the log and for the conformance suite.
 */
#include "core/run/guard.h"
#include "core/run/launch.h"

atomic_int launch_watched = -1;

int launch_watch_begin(void)
{
    int watch = (tl_log_enabled(TL_LOG_DEBUG, "kernel") ? WATCH_LOG : 0) | (check_wanted(CHECK_MEMORY) ? WATCH_MEMORY : 0);
    int unknown = -1;
    atomic_compare_exchange_strong(&launch_watched, &unknown, watch);
    return atomic_load(&launch_watched);
}

/* ---- Who took how many calls -------------------------------------------------------------------------------------------------------- */

enum { MAKERS = 1024 };
static struct {
    pthread_mutex_t lock;
    struct tl_kernel_use list[MAKERS];
    size_t n;
} uses = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void count_use(const struct bound_kernel *b, const struct tl_call *c)
{
    pthread_mutex_lock(&uses.lock);
    struct tl_kernel_use *u = NULL;
    for (size_t i = 0; i < uses.n && !u; i++)
        if (uses.list[i].op == c->op && uses.list[i].backend == b->backend && uses.list[i].maker == b->kernel->maker)
            u = &uses.list[i];
    if (!u && uses.n < MAKERS) {
        u = &uses.list[uses.n++];
        *u = (struct tl_kernel_use){.op = c->op, .backend = b->backend, .maker = b->kernel->maker};
    }
    if (u)
        u->calls++;
    pthread_mutex_unlock(&uses.lock);
}

void tl_watch_kernels(bool on)
{
    launch_watch();
    if (on)
        atomic_fetch_or(&launch_watched, WATCH_USES);
    else
        atomic_fetch_and(&launch_watched, ~WATCH_USES);
}

size_t tl_kernel_uses(struct tl_kernel_use *list, size_t capacity)
{
    pthread_mutex_lock(&uses.lock);
    size_t n = uses.n;
    for (size_t i = 0; i < n && i < capacity; i++)
        list[i] = uses.list[i];
    pthread_mutex_unlock(&uses.lock);
    return n;
}

void launch_shutdown(void)
{
    pthread_mutex_lock(&uses.lock);
    uses.n = 0; /* its strings belong to backends that are closed now */
    pthread_mutex_unlock(&uses.lock);
}

/* ---- Running ---------------------------------------------------------------------------------------------------------------------------- */

/* A kernel that says that it failed has failed, whichever of its two ways it chose; and no error is left for somebody else to find. */
static tl_status judge_status(const struct bound_kernel *b, const struct tl_call *c, tl_status s, bool failed)
{
    if (s == TL_OK && failed) {
        struct tl_error said;
        error_take(&said);
        return tl_fail(TL_ERR_PLUGIN, "%s: the kernel %s called fail() but returned TL_OK: %s", c->op, b->kernel->maker, said.message);
    }
    if (s == TL_OK)
        return TL_OK;
    if ((unsigned)s > TL_ERR_STOPPED)
        return tl_fail(TL_ERR_PLUGIN, "%s: the kernel %s returned %d, which is no tl_status", c->op, b->kernel->maker, (int)s);
    return tl_fail(s, "%s: the kernel %s failed with %s and no message", c->op, b->kernel->maker, tl_status_name(s));
}

tl_status launch_slowly(device *d, const struct bound_kernel *b, const struct tl_call *c, struct tl_mem workspace, tl_status s,
                        bool failed, int watch)
{
    s = judge_status(b, c, s, failed);
    if (watch & WATCH_LOG)
        tl_log_message(TL_LOG_DEBUG, "kernel", "%s on %s: %s took it%s", c->op, d->name, b->kernel->maker, s == TL_OK ? "" : " and failed");
    if (watch & WATCH_USES)
        count_use(b, c);
    if ((watch & WATCH_MEMORY) && s == TL_OK)
        s = guard_check_call(d, b, c, workspace);
    return s;
}
