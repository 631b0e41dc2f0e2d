/* SPDX-License-Identifier: Apache-2.0
 *
 * Small things that training shares: growing text, running means, a clock.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "nn/train/train.h"

bool text_open(struct text *t)
{
    t->buffer = NULL;
    t->size = 0;
    t->to = open_memstream(&t->buffer, &t->size);
    if (!t->to)
        tl_fail(TL_ERR_NOMEM, "out of memory for text");
    return t->to != NULL;
}

char *text_close(struct text *t)
{
    bool failed = ferror(t->to) != 0;
    failed = fclose(t->to) != 0 || failed || !t->buffer;
    if (!failed)
        return t->buffer;
    free(t->buffer);
    tl_fail(TL_ERR_NOMEM, "out of memory for text");
    return NULL;
}

int text_columns(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void weighted_add(struct weighted *w, double value, int64_t n)
{
    if (n <= 0)
        return;
    w->n += n;
    double from_old = value - w->mean;
    w->mean += from_old * (double)n / (double)w->n;
    w->squares += (double)n * from_old * (value - w->mean);
}

double weighted_mean(const struct weighted *w)
{
    return w->n ? w->mean : NAN;
}

double weighted_std(const struct weighted *w)
{
    if (!w->n)
        return NAN;
    return w->n > 1 ? sqrt(w->squares / (double)(w->n - 1)) : 0;
}

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

const char *module_device(tl_module *m)
{
    tl_tensor *first = NULL;
    if (tl_module_parameter_list(m, &first, 1) == 0 || !first)
        return "cpu";
    return tl_device_of(first);
}
