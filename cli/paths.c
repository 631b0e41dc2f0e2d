/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths of pictures: what names one, and those that an argument stands for.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/cli.h"

bool names_picture(const char *argument)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png"};
    size_t n = strlen(argument);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (n >= strlen(endings[i]) && strcasecmp(argument + n - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

bool names_pictures(const char *argument)
{
    return names_picture(argument) || strchr(argument, '/') || strcmp(argument, ".") == 0 || strcmp(argument, "..") == 0;
}

bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void paths_free(struct paths *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->paths[i]);
    free(l->paths);
}

static tl_status add(struct paths *l, const char *path)
{
    if (l->n == l->room) {
        size_t more = l->room ? 2 * l->room : 64;
        char **grown = realloc(l->paths, more * sizeof *grown);
        if (!grown)
            return tl_fail(TL_ERR_NOMEM, "predict: no memory for %zu paths", more);
        l->paths = grown;
        l->room = more;
    }
    if (!(l->paths[l->n] = strdup(path)))
        return tl_fail(TL_ERR_NOMEM, "predict: no memory for a path");
    l->n++;
    return TL_OK;
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

void tell_unread(const struct invocation *v, const char *path, int *code)
{
    if (v->set.json)
        json_unread(path, tl_error_message());
    *code = failed();
    tl_error_clear();
}

/* The folders that one lies in: a link back to one of them would have no end. */
struct above {
    dev_t device;
    ino_t inode;
    const struct above *next;
};

static tl_status enter_folder(const char *folder, const struct above *above, struct above *here)
{
    struct stat st;
    if (stat(folder, &st) != 0)
        return tl_fail(TL_ERR_IO, "cannot examine \"%s\": %s", folder, strerror(errno));
    for (const struct above *a = above; a; a = a->next)
        if (a->device == st.st_dev && a->inode == st.st_ino)
            return tl_fail(TL_ERR_LIMIT, "\"%s\": a link to a folder that it lies in, which is left out here", folder);
    *here = (struct above){st.st_dev, st.st_ino, above};
    return TL_OK;
}

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    else
        tl_fail(TL_ERR_NOMEM, "predict: no memory for a path");
    return path;
}

/* Every picture below a folder, in the order of their names. Of a folder below that cannot be listed the others are. */
static tl_status add_folder(struct paths *l, const struct invocation *v, const char *folder, const struct above *above, int *code)
{
    struct dirent **names = NULL;
    struct above here;
    tl_status s = enter_folder(folder, above, &here);
    if (s != TL_OK)
        return s;
    int n = scandir(folder, &names, not_hidden, by_name);
    if (n < 0)
        return tl_fail(TL_ERR_IO, "cannot list \"%s\": %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = s == TL_OK ? join(folder, names[i]->d_name) : NULL;
        if (path && is_folder(path)) {
            if (add_folder(l, v, path, &here, code) != TL_OK)
                tell_unread(v, path, code);
        } else if (path && names_picture(path))
            s = add(l, path);
        else if (!path)
            s = tl_error_code();
        free(path);
        free(names[i]);
    }
    free(names);
    return s;
}

tl_status paths_add(struct paths *l, const struct invocation *v, const char *argument, int *code)
{
    size_t before = l->n;
    int told = EXIT_OK;
    if (!is_folder(argument))
        return add(l, argument);
    tl_status s = add_folder(l, v, argument, NULL, &told);
    if (told != EXIT_OK)
        *code = told;
    return s != TL_OK || l->n > before || told != EXIT_OK
               ? s
               : tl_fail(TL_ERR_NOT_FOUND, "\"%s\": no pictures (.jpg, .jpeg, .png) in this folder", argument);
}
