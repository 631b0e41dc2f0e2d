/* SPDX-License-Identifier: Apache-2.0
 *
 * Process-wide state: the arithmetic mode, the guard against use after fork, and the end.
 */
#include <pthread.h>

#include "core/internal.h"

atomic_int process_forked;
atomic_int process_math = -1;
void scope_shutdown(void);

static void after_fork(void)
{
    atomic_store(&process_forked, 1);
}

static void init_once(void)
{
    pthread_atfork(NULL, NULL, after_fork);
    log_check_setting();
    const char *text = env_get("TELAR_FALLBACK", false);
    if (text && strcmp(text, "reference") != 0 && strcmp(text, "error") != 0)
        tl_log_message(TL_LOG_WARN, "fallback", "TELAR_FALLBACK=%s is ignored: expected reference or error", text);
}

bool fail_forked(const char *who)
{
    tl_fail(TL_ERR_STATE, "%s: this process was forked from one that used Telar; call exec() first", who);
    return true;
}

void process_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}

tl_math tl_get_math(void)
{
    int m = atomic_load_explicit(&process_math, memory_order_relaxed);
    if (UNLIKELY(m < 0)) {
        const char *text = env_get("TELAR_MATH", false);
        m = text && strcmp(text, "strict") == 0 ? TL_MATH_STRICT : TL_MATH_DEFAULT;
        if (text && m == TL_MATH_DEFAULT && strcmp(text, "default") != 0)
            tl_log_message(TL_LOG_WARN, "math", "TELAR_MATH=%s is ignored: expected default or strict", text);
        atomic_store(&process_math, m);
    }
    return (tl_math)m;
}

void tl_set_math(tl_math m)
{
    atomic_store(&process_math, m == TL_MATH_STRICT ? TL_MATH_STRICT : TL_MATH_DEFAULT);
}

void tl_shutdown(void)
{
    scope_shutdown();
    device_drain_all(); /* what is still enqueued uses plans and memory */
    plan_cache_shutdown();
    launch_shutdown();
    device_shutdown();
    registry_shutdown();
    pool_shutdown();
    error_shutdown();
}
