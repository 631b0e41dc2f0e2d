/* SPDX-License-Identifier: Apache-2.0
 *
 * Every function that the backend asks of the library FAKE_TABLE has at least this definition, so that a table that grows still finds all
 * of its names; other files define what more is known about.
 */
#include "backends/cuda/library.h"
#include "fake.h"

#pragma GCC diagnostic ignored "-Wattribute-alias"
#pragma GCC diagnostic ignored "-Wmissing-attributes"

#define DEFAULT(name)                                                               \
    __attribute__((used)) static int default_##name(void)                          \
    {                                                                               \
        return fake_default(#name);                                                 \
    }                                                                               \
    extern __typeof__(name) name __attribute__((weak, alias("default_" #name), visibility("default")));

FAKE_TABLE(DEFAULT)
