/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers with a decimal point. A program that called setlocale() may have a comma there, in which printf() and strtod() follow it:
 * what is meant for other programs, or comes from them, is written and read between these two calls. They concern the calling
 * thread only. Out of memory, the locale stays what it is.
 */
#ifndef TELAR_NN_NUMBERS_H
#define TELAR_NN_NUMBERS_H

#include <locale.h>

struct plain_numbers {
    locale_t own, before;
};

static inline struct plain_numbers plain_numbers_begin(void)
{
    struct plain_numbers p = {(locale_t)0, (locale_t)0};
    locale_t like = duplocale(uselocale((locale_t)0));
    if (!like)
        return p;
    p.own = newlocale(LC_NUMERIC_MASK, "C", like);
    if (p.own)
        p.before = uselocale(p.own);
    else
        freelocale(like);
    return p;
}

static inline void plain_numbers_end(struct plain_numbers *p)
{
    if (!p->own)
        return;
    uselocale(p->before);
    freelocale(p->own);
}

#endif
