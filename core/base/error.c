/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread-local error and the log. The first error of a chain of calls is the one worth reading, so it stays
 * until somebody clears it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/internal.h"

static _Thread_local struct tl_error current;

static void put_message(const char *format, va_list args)
{
    vsnprintf(current.message, sizeof current.message, format, args);
}

tl_status tl_fail(tl_status code, const char *format, ...)
{
    if (current.code != TL_OK)
        return current.code;
    current.code = code == TL_OK ? TL_ERR_ARGUMENT : code;
    current.message[0] = 0;
    if (format) {
        va_list args;
        va_start(args, format);
        put_message(format, args);
        va_end(args);
    }
    return current.code;
}

void tl_error_prefix(const char *format, ...)
{
    if (current.code == TL_OK)
        return;
    char prefix[sizeof current.message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t length = (size_t)n < sizeof prefix ? (size_t)n : sizeof prefix - 1;
    size_t keep = strlen(current.message);
    if (keep > sizeof current.message - 1 - length)
        keep = sizeof current.message - 1 - length;
    memmove(current.message + length, current.message, keep);
    current.message[length + keep] = 0;
    memcpy(current.message, prefix, length);
}

tl_status tl_error_code(void)
{
    return current.code;
}

const char *tl_error_message(void)
{
    return current.code == TL_OK ? "" : current.message;
}

void tl_error_clear(void)
{
    current.code = TL_OK;
    current.message[0] = 0;
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

void tl_log_message(tl_log_level level, const char *component, const char *format, ...)
{
    if (!tl_log_enabled(level, component))
        return;
    char line[1400];
    int n = snprintf(line, sizeof line, "telar: [%s] ", component);
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
