/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading tables of golden numbers: words and numbers with blanks between them, as the scripts in tests/golden/ write them.
 */
#ifndef TELAR_TESTS_GOLDEN_H
#define TELAR_TESTS_GOLDEN_H

#include <telar/telar.h>

#include "tap.h"

/* A file of tests/golden/; the test ends if it is not there. */
__attribute__((unused)) static FILE *golden_open(const char *name)
{
    char path[1024];
    const char *folder = getenv("TEST_SRCDIR");
    snprintf(path, sizeof path, "%s/tests/golden/%s", folder ? folder : TEST_SRCDIR, name);
    FILE *f = fopen(path, "r");
    if (!f)
        bail_out("cannot open %s", path);
    return f;
}

/* The next word; false at the end of the file. */
__attribute__((unused)) static bool golden_word(FILE *f, char *word, size_t size)
{
    char format[16];
    snprintf(format, sizeof format, "%%%zus", size - 1);
    return fscanf(f, format, word) == 1;
}

__attribute__((unused)) static double golden_number(FILE *f)
{
    char word[64];
    if (!golden_word(f, word, sizeof word))
        bail_out("a golden file ends too early");
    return strtod(word, NULL);
}

__attribute__((unused)) static int64_t golden_integer(FILE *f)
{
    return (int64_t)golden_number(f);
}

/* All values of t as doubles, malloc()ed. */
__attribute__((unused)) static double *golden_values(tl_tensor *t)
{
    size_t n = (size_t)tl_numel(t);
    double *v = calloc(n + 1, sizeof *v);
    if (!v || (n && tl_copy_out(t, TL_F64, v, n * sizeof *v) != TL_OK))
        bail_out("cannot read a tensor: %s", tl_error_message());
    return v;
}

/* Compare t with "count sum step value …" from the file: every step-th value, and the sum. A NULL t fails. */
__attribute__((unused)) static bool golden_tensor(FILE *f, tl_tensor *t, double tolerance, const char *what)
{
    int64_t count = golden_integer(f);
    double sum = golden_number(f), worst = 0, total = 0;
    int64_t step = golden_integer(f), worst_at = -1;
    double *v = t && tl_numel(t) == count ? golden_values(t) : NULL;
    double want_worst = 0;
    for (int64_t i = 0; i < count; i += step) {
        double want = golden_number(f), off = v ? fabs(v[i] - want) / fmax(1, fabs(want)) : 0;
        if (off > worst || isnan(off)) {
            worst = off;
            worst_at = i;
            want_worst = want;
        }
    }
    bool good = v != NULL && worst <= tolerance;
    for (int64_t i = 0; v && i < count; i++)
        total += v[i];
    good = good && fabs(total - sum) <= tolerance * (double)(count + 1) * fmax(1, fabs(sum));
    ok(good, "%s", what);
    if (!v)
        diag("%s: %lld elements, %lld expected: %s", what, (long long)tl_numel(t), (long long)count, tl_error_message());
    else if (!good)
        diag("%s: element %lld is %.9g, %.9g expected; sum %.17g, %.17g expected", what, (long long)worst_at,
             worst_at < 0 ? 0 : v[worst_at], want_worst, total, sum);
    free(v);
    return good;
}

#endif
