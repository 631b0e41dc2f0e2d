/* SPDX-License-Identifier: Apache-2.0
 *
 * Where plugins and data lie: the installed places, and the build tree's when the library itself lies there.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"
#include "core/plugin/loader.h"

bool in_build_tree(void)
{
#ifdef TL_BUILD_DIR
    Dl_info info;
    char real[PATH_MAX], build[PATH_MAX];
    if (!dladdr((void *)(uintptr_t)&tl_data_folder, &info) || !info.dli_fname || !realpath(info.dli_fname, real) ||
        !realpath(TL_BUILD_DIR, build))
        return false;
    size_t n = strlen(build);
    return strncmp(real, build, n) == 0 && real[n] == '/';
#else
    return false;
#endif
}

static const char *own_data_folder(void)
{
#ifdef TL_BUILD_DATA_DIR
    if (in_build_tree())
        return TL_BUILD_DATA_DIR;
#endif
#ifdef TL_DATA_DIR
    return TL_DATA_DIR;
#else
    return NULL;
#endif
}

static char *join(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s", a, b);
    else
        tl_fail(TL_ERR_NOMEM, "no memory for a path of %zu bytes", size);
    return path;
}

/* The user's own folder is *begin and *end put together; false if there is none. */
static bool user_data_folder(const char **begin, const char **end)
{
    const char *xdg = env_get("XDG_DATA_HOME", true), *home = env_get("HOME", true);
    bool by_standard = xdg && xdg[0] == '/'; /* relative values are invalid by that */
    *begin = by_standard ? xdg : home;
    *end = by_standard ? "/telar" : "/.local/share/telar";
    return *begin && **begin == '/';
}

char *tl_user_data_folder(void)
{
    const char *begin, *end;
    if (user_data_folder(&begin, &end))
        return join(begin, end);
    tl_fail(TL_ERR_NOT_FOUND, "no folder for data: neither XDG_DATA_HOME nor HOME is an absolute path");
    return NULL;
}

char *tl_data_folder(int i)
{
    const char *data = env_get("TELAR_DATA", true), *begin, *end, *own = own_data_folder();
    if (i < 0)
        return NULL;
    if (data && i-- == 0)
        return join(data, "");
    if (user_data_folder(&begin, &end) && i-- == 0)
        return join(begin, end);
    return own && i == 0 ? join(own, "") : NULL;
}
