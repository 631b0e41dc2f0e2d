/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests that need a device beside the host: the opaque backend is found by its name after show_opaque_backend().
 */
#ifndef TESTS_OPAQUE_SHOW_H
#define TESTS_OPAQUE_SHOW_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tap.h"

/* The loader wants a folder named after the kind. */
static inline void show_opaque_backend(char *folder)
{
    char path[256];
    if (!mkdtemp(folder))
        bail_out("cannot make a folder in /tmp");
    snprintf(path, sizeof path, "%s/backends", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/backends/opaque.so", folder);
    if (symlink(TEST_BUILDDIR "/tests/opaque/.libs/opaque.so", path) != 0)
        bail_out("cannot link %s", path);
    setenv("TELAR_PLUGIN_PATH", path, 1);
}

static inline void remove_folder(const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/backends/opaque.so", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/backends", folder);
    rmdir(path);
    rmdir(folder);
}

#endif
