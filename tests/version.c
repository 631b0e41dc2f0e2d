/* SPDX-License-Identifier: Apache-2.0
 *
 * The library that was loaded is the one that was built.
 */
#include "config.h"

#include <telar/tensor.h>

#include "tests/tap.h"

int main(void)
{
    is_string(tl_version_string(), PACKAGE_VERSION, "the library's version is configure's");
    return done_testing();
}
