/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of prepared plans: far more shapes than it holds, from several threads, on a backend that counts what it prepares and
 * releases; and on one whose queue runs long after the plans' calls have returned.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

enum { THREADS = 4, SHAPES = 6000, MOST_PLANS = 2048, FRONT = 256 };

static char root[] = "/tmp/telar-plans-XXXXXX";

struct counters {
    atomic_int *prepared, *released, *stale, *declined;
};

static int live(const struct counters *c)
{
    return atomic_load(c->prepared) - atomic_load(c->released);
}

/* A link in a folder named after its kind, as the loader wants it, and the counters inside. */
static bool borrow(const char *name, struct counters *c)
{
    char from[600], to[600];
    snprintf(from, sizeof from, "%s/tests/counting/.libs/%s.so", TEST_BUILDDIR, name);
    snprintf(to, sizeof to, "%s/backends/%s.so", root, name);
    void *object = symlink(from, to) == 0 ? dlopen(to, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!object)
        return false;
    *c = (struct counters){dlsym(object, "counting_prepared"), dlsym(object, "counting_released"), dlsym(object, "counting_stale"),
                           dlsym(object, "counting_declined")};
    return c->prepared && c->released && c->stale && c->declined;
}

/* The last element of the cumulative sum of n ones is n. */
static bool right(tl_tensor *sums, int n)
{
    return sums && tl_item(tl_select(sums, 0, n - 1)) == n;
}

struct work {
    int first, wrong;
    const struct counters *counters;
    int most;
};

/* Each thread goes through all shapes, from a place of its own, and comes back to one that stays in its front. */
static void *walk(void *p)
{
    struct work *w = p;
    for (int i = 0; i < SHAPES; i++)
        TL_SCOPE
        {
            int n = (w->first + i) % SHAPES + 1;
            w->wrong += !right(tl_cumsum(tl_ones(TL_SHAPE(n), (struct tl_options){0}), 0), n);
            w->wrong += !right(tl_cumsum(tl_ones(TL_SHAPE(7), (struct tl_options){0}), 0), 7);
            int now = live(w->counters);
            w->most = now > w->most ? now : w->most;
        }
    return NULL;
}

static void many_shapes(const struct counters *c)
{
    pthread_t threads[THREADS];
    struct work work[THREADS] = {{0}};
    for (int t = 0; t < THREADS; t++) {
        work[t] = (struct work){.first = t * SHAPES / THREADS, .counters = c};
        pthread_create(&threads[t], NULL, walk, &work[t]);
    }
    int wrong = 0, most = 0;
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        wrong += work[t].wrong;
        most = work[t].most > most ? work[t].most : most;
    }
    is_int(wrong, 0, "every sum of %d shapes on %d threads is right", SHAPES, THREADS);
    is_int(atomic_load(c->stale), 0, "no kernel saw another shape's plan, or one that was released");
    ok(atomic_load(c->prepared) > SHAPES, "plans are made again when they are wanted again (%d times)", atomic_load(c->prepared));
    ok(most <= MOST_PLANS + THREADS * (FRONT + 2), "at no time there are more than the cache and the threads' fronts hold (%d)", most);
    is_int(live(c), MOST_PLANS, "when the threads have ended, there are as many as the cache holds");
}

static void recent_ones_stay(const struct counters *c)
{
    int before = atomic_load(c->prepared);
    for (int i = 0; i < 3; i++)
        for (int n = 1; n <= 1500; n++)
            TL_SCOPE
            {
                tl_cumsum(tl_ones(TL_SHAPE(n), (struct tl_options){0}), 0);
            }
    int made = atomic_load(c->prepared) - before;
    ok(made <= 1500, "shapes that fit into the cache are prepared once in three rounds (%d of 4500)", made);
}

/* The first kernel takes these lengths until it prepares. */
static void declined(const struct counters *c)
{
    int before = atomic_load(c->declined), prepared = atomic_load(c->prepared);
    for (int i = 0; i < 3; i++)
        TL_SCOPE
        {
            ok(right(tl_cumsum(tl_ones(TL_SHAPE(10001), (struct tl_options){0}), 0), 10001), "the next kernel does what a prepare() declines");
        }
    is_int(atomic_load(c->declined) - before, 1, "it is asked once, the answer is kept");
    is_int(atomic_load(c->prepared) - prepared, 1, "and so is the other's plan");
    is_string(tl_error_message(), "", "to decline is no error");
    ok(!tl_cumsum(tl_ones(TL_SHAPE(20001), (struct tl_options){0}), 0), "a prepare() that calls fail() has failed, whatever the code");
    is_int(tl_error_code(), TL_ERR_UNSUPPORTED, "with its code");
    is_string(tl_error_message(), "the kernel says that this is an error", "and its words");
    tl_error_clear();
}

static void queued(const struct counters *c)
{
    tl_tensor *sums[3];
    tl_tensor *x = tl_to_device(tl_ones(TL_SHAPE(5000), (struct tl_options){.device = "cpu"}), "lazy");
    for (int i = 0; i < 3; i++)
        sums[i] = tl_cumsum(tl_narrow(x, 0, 0, 5000 - i), 0);
    for (int n = 1; n <= 4000; n++)
        TL_SCOPE
        {
            tl_cumsum(tl_narrow(x, 0, 0, n), 0);
        }
    ok(atomic_load(c->released) > 0, "a queue that grows is waited for (%d plans released)", atomic_load(c->released));
    ok(live(c) <= MOST_PLANS + FRONT + 256, "so that the plans that wait stay few (%d)", live(c));
    for (int i = 0; i < 3; i++)
        ok(right(tl_to_device(sums[i], "cpu"), 5000 - i), "sum %d is right", i);
    is_int(atomic_load(c->stale), 0, "no work of the queue found its plan released");
    /* Work that nobody waits for is in the queue when everything ends. */
    tl_cumsum(x, 0);
}

int main(void)
{
    struct counters counting, lazy;
    char path[600];
    if (!mkdtemp(root))
        return skip_all("no temporary folder");
    snprintf(path, sizeof path, "%s/backends", root);
    if (mkdir(path, 0755) != 0 || !borrow("counting", &counting) || !borrow("lazy", &lazy))
        bail_out("the counting backends cannot be loaded: %s", dlerror());
    setenv("TELAR_PLUGIN_PATH", root, 1);
    ok(tl_set_backend("counting") == TL_OK, "a host backend needs neither memory, nor copies, nor a stream");
    many_shapes(&counting);
    recent_ones_stay(&counting);
    declined(&counting);
    ok(tl_set_backend("lazy") == TL_OK, "a device with a queue opens");
    queued(&lazy);
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    is_int(live(&counting), 0, "at the end every plan was released, once");
    is_int(live(&lazy), 0, "those of the queue, too");
    is_int(atomic_load(lazy.stale), 0, "after their work was done");
    snprintf(path, sizeof path, "rm -rf '%s'", root);
    if (system(path) != 0)
        diag("the temporary folder stays");
    return done_testing();
}
