/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/pointwise.h>: helpers for the users of <telar/pointwise.def>.
 *
 * An expression of the table uses up to five operands, always in the order g a b c y. The op that computes a
 * gradient, say `mul_da`, is given only those that its text mentions; these helpers say which.
 */
#ifndef TELAR_POINTWISE_H
#define TELAR_POINTWISE_H

#include <stdbool.h>

/** Operands of an expression, as bits and as positions. */
enum { TL_PW_G, TL_PW_A, TL_PW_B, TL_PW_C, TL_PW_Y, TL_PW_OPERANDS };

/** Which operands (1 << TL_PW_…) does the text of an expression mention? */
static inline unsigned tl_pointwise_uses(const char *text)
{
    unsigned used = 0;
    bool in_word = false;
    for (const char *s = text; *s; s++) {
        bool word = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_' || *s == '.';
        char next = s[1];
        bool next_word = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') ||
                         next == '_' || next == '.';
        if (word && !in_word && !next_word && next != '(') {
            switch (*s) {
            case 'g': used |= 1u << TL_PW_G; break;
            case 'a': used |= 1u << TL_PW_A; break;
            case 'b': used |= 1u << TL_PW_B; break;
            case 'c': used |= 1u << TL_PW_C; break;
            case 'y': used |= 1u << TL_PW_Y; break;
            default: break;
            }
        }
        in_word = word;
    }
    return used;
}

#endif
