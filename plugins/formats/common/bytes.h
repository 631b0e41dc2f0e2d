/* SPDX-License-Identifier: Apache-2.0
 *
 * Little-endian numbers at any address.
 */
#ifndef TELAR_PLUGINS_FORMATS_BYTES_H
#define TELAR_PLUGINS_FORMATS_BYTES_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the tensors of these formats are little endian; reading them here needs a byte swap that is not written"
#endif

/** The number of n bytes, at most 8. */
static inline uint64_t load_le(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static inline void store_le(unsigned char *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

/** The place of the first byte that is neither 0 nor 1, as elements of TL_BOOL are; n if there is none. */
static inline uint64_t find_no_bool(const unsigned char *p, uint64_t n)
{
    uint64_t i = 0;

    while (i < n && p[i] <= 1)
        i++;
    return i;
}

#endif
