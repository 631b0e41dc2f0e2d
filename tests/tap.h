/* SPDX-License-Identifier: Apache-2.0
 *
 * A small producer of TAP (the Test Anything Protocol) for tests in C. A test calls the macros below any number of times
 * and ends with `return done_testing();`. Each call is one point; a failed one says where it is and what came.
 * A test that dies before done_testing() has printed no plan, which the harness counts as an error.
 */
#ifndef TELAR_TESTS_TAP_H
#define TELAR_TESTS_TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count;
static int tap_failed;

/** A comment line, shown in the log. */
__attribute__((format(printf, 1, 2), unused)) static void diag(const char *format, ...)
{
    va_list args;
    char text[2048];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *line = text, *end; line != NULL; line = end) {
        end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        printf("# %s\n", line);
    }
    fflush(stdout);
}

/** The description of a point: one line, and no '#', which would start a directive. */
__attribute__((format(printf, 5, 0), unused)) static bool tap_point(bool passed, const char *file, int line, const char *directive,
                                                                    const char *format, va_list args)
{
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\n' ? ' ' : *c == '#' ? '*' : *c;
    }
    tap_count++;
    printf("%s %d - %s%s\n", passed ? "ok" : "not ok", tap_count, text, directive);
    if (!passed) {
        tap_failed++;
        printf("# failed: %s:%d\n", file, line);
    }
    fflush(stdout);
    return passed;
}

__attribute__((format(printf, 4, 5), unused)) static bool tap_ok(bool passed, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tap_point(passed, file, line, "", format, args);
    va_end(args);
    return passed;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_int(long long got, long long want, const char *file, int line,
                                                                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const bool passed = tap_point(got == want, file, line, "", format, args);
    va_end(args);
    if (!passed) {
        diag("     got: %lld\nexpected: %lld", got, want);
    }
    return passed;
}

/* Equal infinities and two NaNs are equal; a NaN is within no tolerance of a number. */
__attribute__((format(printf, 6, 7), unused)) static bool tap_is_float(double got, double want, double tolerance, const char *file, int line,
                                                                       const char *format, ...)
{
    va_list args;
    const bool same = isnan(want) ? isnan(got) != 0 : isinf(want) || isinf(got) ? isinf(got) && isinf(want) && (got > 0) == (want > 0)
                                                                                : fabs(got - want) <= tolerance;
    va_start(args, format);
    const bool passed = tap_point(same, file, line, "", format, args);
    va_end(args);
    if (!passed) {
        diag("     got: %.9g\nexpected: %.9g, within %g (off by %g)", got, want, tolerance, fabs(got - want));
    }
    return passed;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_string(const char *got, const char *want, const char *file, int line,
                                                                        const char *format, ...)
{
    va_list args;
    const bool same = got == want || (got != NULL && want != NULL && strcmp(got, want) == 0);
    va_start(args, format);
    const bool passed = tap_point(same, file, line, "", format, args);
    va_end(args);
    if (!passed) {
        diag("     got: %s\nexpected: %s", got != NULL ? got : "(null)", want != NULL ? want : "(null)");
    }
    return passed;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_contains(const char *text, const char *part, const char *file, int line,
                                                                       const char *format, ...)
{
    va_list args;
    const bool found = text != NULL && strstr(text, part) != NULL;
    va_start(args, format);
    const bool passed = tap_point(found, file, line, "", format, args);
    va_end(args);
    if (!passed) {
        diag("          got: %s\nshould contain: %s", text != NULL ? text : "(null)", part);
    }
    return passed;
}

/** Did the condition hold? */
#define ok(condition, ...) tap_ok((condition) ? true : false, __FILE__, __LINE__, __VA_ARGS__)
#define pass(...) tap_ok(true, __FILE__, __LINE__, __VA_ARGS__)
#define fail(...) tap_ok(false, __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...) tap_is_int((long long)(got), (long long)(want), __FILE__, __LINE__, __VA_ARGS__)
/** |got - want| <= tolerance */
#define is_float(got, want, tolerance, ...) \
    tap_is_float((double)(got), (double)(want), (double)(tolerance), __FILE__, __LINE__, __VA_ARGS__)
#define is_string(got, want, ...) tap_is_string((got), (want), __FILE__, __LINE__, __VA_ARGS__)
/** Is `part` somewhere in `text`? For messages. */
#define contains(text, part, ...) tap_contains((text), (part), __FILE__, __LINE__, __VA_ARGS__)

/** Count n points as skipped; the reason is shown at the end of `make check`. */
__attribute__((format(printf, 2, 3), unused)) static void skip(int n, const char *why, ...)
{
    char reason[256];
    va_list args;
    va_start(args, why);
    vsnprintf(reason, sizeof reason, why, args);
    va_end(args);
    for (int i = 0; i < n; i++) {
        printf("ok %d # SKIP %s\n", ++tap_count, reason);
    }
    fflush(stdout);
}

/** A whole test that cannot run here: prints the plan and gives the exit status. */
__attribute__((format(printf, 1, 2), unused)) static int skip_all(const char *why, ...)
{
    va_list args;
    va_start(args, why);
    printf("1..0 # SKIP ");
    vprintf(why, args);
    va_end(args);
    printf("\n");
    return 0;
}

/** Nothing after this makes sense. */
__attribute__((format(printf, 1, 2), unused, noreturn)) static void bail_out(const char *why, ...)
{
    va_list args;
    va_start(args, why);
    printf("Bail out! ");
    vprintf(why, args);
    va_end(args);
    printf("\n");
    exit(1);
}

/** The plan, and the exit status for main(). */
__attribute__((unused)) static int done_testing(void)
{
    printf("1..%d\n", tap_count);
    if (tap_failed != 0) {
        printf("# %d of %d failed\n", tap_failed, tap_count);
    }
    fflush(stdout);
    return tap_failed == 0 ? 0 : 1;
}

#endif
