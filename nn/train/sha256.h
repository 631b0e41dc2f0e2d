/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 (FIPS 180-4) of a file's bytes, for comparing weights with what their makers published.
 */
#ifndef TELAR_NN_SHA256_H
#define TELAR_NN_SHA256_H

#include <stddef.h>

/* 64 hexadecimal digits, lower case, and a NUL. */
void sha256_hex(const unsigned char *data, size_t size, char hex[65]);

#endif
