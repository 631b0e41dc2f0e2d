/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's version, as configure knows it.
 */
#include "config.h"

#include <telar/tensor.h>

const char *tl_version_string(void)
{
    return PACKAGE_VERSION;
}
