/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread-local error and the log. The first error of a chain of calls is the one worth reading, so it stays
 * until somebody clears it.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/internal.h"

/* On the heap, and made at a thread's first failure: thread-locals of a shared library must be few bytes. A thread that cannot even
 * get this much memory shares one last error with all others in that state. */
static HOT_TLS struct tl_error *mine;
HOT_TLS unsigned error_count;
static struct tl_error no_memory_left;
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void end_of_thread(void *p)
{
    mine = NULL;
    free(p);
}

static void make_key(void)
{
    pthread_key_create(&at_thread_end, end_of_thread);
}

static struct tl_error *current_error(void)
{
    if (mine)
        return mine;
    pthread_once(&once, make_key);
    struct tl_error *e = calloc(1, sizeof *e);
    if (!e)
        return &no_memory_left;
    pthread_setspecific(at_thread_end, e);
    return mine = e;
}

void error_shutdown(void)
{
    if (mine) {
        pthread_setspecific(at_thread_end, NULL);
        end_of_thread(mine);
    }
}

tl_status tl_fail(tl_status code, const char *format, ...)
{
    struct tl_error *e = current_error();
    if (e->code != TL_OK)
        return e->code;
    e->code = code == TL_OK ? TL_ERR_ARGUMENT : code;
    error_count++;
    e->message[0] = 0;
    if (format) {
        va_list args;
        va_start(args, format);
        vsnprintf(e->message, sizeof e->message, format, args);
        va_end(args);
    }
    return e->code;
}

void tl_error_prefix(const char *format, ...)
{
    struct tl_error *e = mine;
    if (!e || e->code == TL_OK)
        return;
    char prefix[sizeof e->message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t length = (size_t)n < sizeof prefix ? (size_t)n : sizeof prefix - 1;
    /* The same words twice are one failure seen again, as NULL travels on. */
    if (strncmp(e->message, prefix, length) == 0)
        return;
    size_t keep = strlen(e->message);
    if (keep > sizeof e->message - 1 - length)
        keep = sizeof e->message - 1 - length;
    memmove(e->message + length, e->message, keep);
    e->message[length + keep] = 0;
    memcpy(e->message, prefix, length);
}

tl_status tl_error_code(void)
{
    return mine ? mine->code : no_memory_left.code;
}

const char *tl_error_message(void)
{
    const struct tl_error *e = mine ? mine : &no_memory_left;
    return e->code == TL_OK ? "" : e->message;
}

void tl_error_clear(void)
{
    struct tl_error *e = mine ? mine : &no_memory_left;
    e->code = TL_OK;
    e->message[0] = 0;
}

void error_take(struct tl_error *to)
{
    to->code = tl_error_code();
    memcpy(to->message, tl_error_message(), strlen(tl_error_message()) + 1);
    tl_error_clear();
}

/* What is put back is not a new failure, and is not counted as one. */
void error_put(const struct tl_error *from)
{
    if (from->code == TL_OK)
        return;
    unsigned count = error_count;
    tl_error_clear();
    tl_fail(from->code, "%s", from->message);
    error_count = count;
}

const char *tl_status_name(tl_status s)
{
    static const char *const names[] = {"OK",     "ARGUMENT",  "SHAPE", "DTYPE",       "DEVICE", "INDEX",  "NOMEM", "IO",   "FORMAT",
                                        "TRUNCATED", "LIMIT", "UNSUPPORTED", "UNSAFE", "PLUGIN", "STATE", "NOT_FOUND", "CHECK", "STOPPED"};
    return (unsigned)s < sizeof names / sizeof *names ? names[s] : "UNKNOWN";
}

/* ---- Log ---------------------------------------------------------------------------------------------------------- */

/* TELAR_LOG=info,+cpu,-loader: a level for all; +component lets that one through at debug, -component silences it.
 * Parsed at every question: logging is off the hot path by construction (callers ask only where something rare happens). */
static bool component_listed(const char *spec, char sign, const char *component)
{
    size_t n = strlen(component);
    for (const char *s = spec; s && *s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
        if (*s == sign && strncmp(s + 1, component, n) == 0 && (s[1 + n] == ',' || s[1 + n] == 0))
            return true;
    return false;
}

bool tl_log_enabled(tl_log_level level, const char *component)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *spec = env_get("TELAR_LOG", false);
    tl_log_level limit = TL_LOG_WARN;
    if (spec) {
        for (int i = 0; i < 4; i++) {
            size_t n = strlen(names[i]);
            if (strncmp(spec, names[i], n) == 0 && (spec[n] == ',' || spec[n] == 0))
                limit = (tl_log_level)i;
        }
        if (component_listed(spec, '-', component))
            return false;
        if (component_listed(spec, '+', component))
            return true;
    }
    return level <= limit;
}

void log_check_setting(void)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *spec = env_get("TELAR_LOG", false);
    while (spec) {
        size_t n = strcspn(spec, ",");
        bool known = n > 1 && (*spec == '+' || *spec == '-');
        for (int i = 0; i < 4; i++)
            known = known || (n == strlen(names[i]) && strncmp(spec, names[i], n) == 0);
        if (!known)
            tl_log_message(TL_LOG_WARN, "log", "TELAR_LOG: \"%.*s\" is ignored: expected error, warn, info or debug, +PART or -PART", (int)n, spec);
        spec = spec[n] ? spec + n + 1 : NULL;
    }
}

void tl_log_message(tl_log_level level, const char *component, const char *format, ...)
{
    if (!tl_log_enabled(level, component))
        return;
    char line[1400];
    int n = snprintf(line, sizeof line, "telar: [%.60s] ", component);
    va_list args;
    va_start(args, format);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    va_end(args);
    if (m < 0)
        return;
    size_t length = strlen(line);
    line[length] = '\n';
    /* One write, so that lines of several threads do not mix. */
    fwrite(line, 1, length + 1, stderr);
}

const char *env_get(const char *name, bool path)
{
    const char *value = path ? secure_getenv(name) : getenv(name);
    return value && *value ? value : NULL;
}
