/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: passes that meet in one leaf, views that several threads bring up to date at once, recording while another thread goes
 * backward, and the recording switch, which is each thread's own.
 */
#include <pthread.h>
#include <telar/telar.h>

#include "tap.h"

enum { THREADS = 4, ROUNDS = 100 };

static const struct tl_backward_options ONCE = {0};

struct shared {
    tl_tensor *w, *base;
};

static void *accumulate(void *p)
{
    const struct shared *s = p;
    for (int i = 0; i < ROUNDS; i++)
        TL_SCOPE
        {
            if (tl_backward(tl_sum(tl_mul(s->w, s->w)), TL_NONE, ONCE) != TL_OK)
                return p;
        }
    return NULL;
}

static void *build_and_drop(void *p)
{
    const struct shared *s = p;
    for (int i = 0; i < ROUNDS; i++)
        TL_SCOPE
        {
            tl_tensor *y = tl_mul(s->w, s->w);
            for (int k = 0; k < 10; k++)
                y = tl_exp(tl_mul_s(y, 0.1));
            if (!y)
                return p;
        }
    return NULL;
}

/* base is a result that was written through a view; v, another view of it, is out of date. */
static void *use_view(void *p)
{
    tl_tensor *v = p, *sum, *y = tl_mul_s(v, 3);
    tl_scope scope = tl_scope_begin();
    sum = tl_sum(y);
    bool good = tl_requires_grad(y) && sum && strcmp(tl_node_name(tl_grad_fn(v)), "AsStridedBackward0") == 0;
    tl_scope_end(&scope);
    return good ? NULL : p;
}

static void *switch_recording(void *p)
{
    const struct shared *s = p;
    for (int i = 0; i < ROUNDS; i++) {
        TL_NO_GRAD
        {
            TL_NO_GRAD
            {
            }
            if (tl_grad_enabled() || tl_requires_grad(tl_mul_s(s->w, 2)))
                return p;
        }
        if (!tl_grad_enabled() || !tl_requires_grad(tl_mul_s(s->w, 2)))
            return p;
    }
    return NULL;
}

static void at_once(void *(*one)(void *), void *(*other)(void *), void *arg, const char *what)
{
    pthread_t t[THREADS];
    int wrong = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, i % 2 ? other : one, arg);
    for (int i = 0; i < THREADS; i++) {
        void *r;
        pthread_join(t[i], &r);
        wrong += r != NULL;
    }
    is_int(wrong, 0, "%s", what);
}

int main(void)
{
    tl_tensor *w = tl_set_requires_grad(tl_ones(TL_SHAPE(20000), (struct tl_options){0}), true);
    struct shared s = {.w = w};
    at_once(accumulate, accumulate, &s, "four threads go backward into one leaf");
    is_float(tl_item(tl_amin(tl_grad_of(w))), 2 * THREADS * ROUNDS, 0, "and no gradient is lost");
    at_once(accumulate, build_and_drop, &s, "some go backward while others build");
    at_once(switch_recording, switch_recording, &s, "the recording switch is each thread's own");
    for (int i = 0; i < 20; i++)
        TL_SCOPE
        {
            tl_tensor *y = tl_mul_s(w, 2), *v = tl_narrow(y, 0, 10, 5);
            tl_mul_(tl_narrow(y, 0, 0, 20), tl_scalar(3));
            at_once(use_view, use_view, v, "a view is brought up to date once, whoever asks");
        }
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
