/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights that a model lists by name: where their file may lie, and whether it is the one that was meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <telar/model.h>
#include <telar/registry.h>
#include <unistd.h>

#include "nn/train/sha256.h"

static void list_names(const struct tl_model *m, char *text, size_t size)
{
    text[0] = 0;
    for (const struct tl_model_weights *w = m->weights; w && w->name; w++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", w->name);
    }
}

const struct tl_model_weights *tl_model_weights_find(const struct tl_model *m, const char *name)
{
    char all[400];
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "model_weights_find: the model is NULL");
        return NULL;
    }
    for (const struct tl_model_weights *w = m->weights; w && w->name; w++)
        if (!name || strcmp(w->name, name) == 0)
            return w;
    list_names(m, all, sizeof all);
    if (name)
        tl_fail(TL_ERR_NOT_FOUND, "model %s lists no weights \"%s\"%s%s", m->name, name, all[0] ? "; it has: " : ", nor any others", all);
    else
        tl_fail(TL_ERR_NOT_FOUND, "model %s lists no weights", m->name);
    return NULL;
}

/* The last part of the URL's path; the listed name if there is no such part, or one that is not a file's. */
static void file_name(const struct tl_model_weights *w, char *name, size_t size)
{
    const char *url = w->url ? w->url : "", *base = url;
    size_t end = strcspn(url, "?#");
    for (size_t i = 0; i < end; i++)
        base = url[i] == '/' ? url + i + 1 : base;
    size_t n = (size_t)(url + end - base);
    if (n == 0 || n >= size || *base == '.')
        snprintf(name, size, "%s", w->name);
    else
        snprintf(name, size, "%.*s", (int)n, base);
}

static tl_status check_sum(const struct tl_model *m, const struct tl_model_weights *w, const char *path)
{
    struct tl_map map;
    char sum[65];
    if (!w->sha256)
        return TL_OK;
    tl_status s = tl_map_open(path, &map);
    if (s != TL_OK)
        return s;
    sha256_hex(map.data, map.size, sum);
    tl_map_close(&map);
    size_t digits = strlen(w->sha256);
    if (strncasecmp(sum, w->sha256, digits) == 0)
        return TL_OK;
    return tl_fail(TL_ERR_FORMAT, "\"%s\" is not the file that model %s means by %s: its SHA-256 is %s, expected %s%s. Fetch it again from %s", path,
                   m->name, w->name, sum, digits < 64 ? "one that begins with " : "", w->sha256, w->url ? w->url : "where it came from");
}

tl_status tl_model_weights_check(const struct tl_model *m, const char *name, const char *path)
{
    if (!m || !name || !path)
        return tl_fail(TL_ERR_ARGUMENT, "model_weights_check: a model, a name and a path are needed");
    const struct tl_model_weights *w = tl_model_weights_find(m, name);
    return w ? check_sum(m, w, path) : tl_error_code();
}

char *tl_model_weights_place(const struct tl_model *m, const char *name)
{
    char file[256];
    if (!m || !name) {
        tl_fail(TL_ERR_ARGUMENT, "model_weights_place: a model and a name are needed");
        return NULL;
    }
    const struct tl_model_weights *w = tl_model_weights_find(m, name);
    char *folder = w ? tl_user_data_folder() : NULL;
    if (!folder)
        return NULL;
    file_name(w, file, sizeof file);
    size_t size = strlen(folder) + strlen(file) + sizeof "/weights/";
    char *path = strchr(file, '/') ? NULL : malloc(size);
    if (path)
        snprintf(path, size, "%s/weights/%s", folder, file);
    else if (strchr(file, '/'))
        tl_fail(TL_ERR_PLUGIN, "model %s lists weights \"%s\", which is no name for a file", m->name, file);
    else
        tl_fail(TL_ERR_NOMEM, "model_weights_place: out of memory");
    free(folder);
    return path;
}

char *tl_model_weights_path(const struct tl_model *m, const char *name)
{
    static const char *const folders[] = {"weights/", ""};
    char file[256], looked[900] = "", *folder;
    if (!m || !name) {
        tl_fail(TL_ERR_ARGUMENT, "model_weights_path: a model and a name are needed");
        return NULL;
    }
    const struct tl_model_weights *w = tl_model_weights_find(m, name);
    if (!w)
        return NULL;
    file_name(w, file, sizeof file);
    for (int i = 0; (folder = tl_data_folder(i)); i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t size = strlen(folder) + strlen(file) + 16, used = strlen(looked);
            char *path = malloc(size);
            if (!path) {
                tl_fail(TL_ERR_NOMEM, "model_weights_path: out of memory");
                free(folder);
                return NULL;
            }
            snprintf(path, size, "%s/%s%s", folder, folders[k], file);
            snprintf(looked + used, sizeof looked - used, "%s%s", used ? ", " : "", path);
            if (access(path, R_OK) == 0) {
                free(folder);
                if (check_sum(m, w, path) == TL_OK)
                    return path;
                free(path);
                return NULL;
            }
            free(path);
        }
        free(folder);
    }
    if (w->url)
        tl_fail(TL_ERR_NOT_FOUND, "the weights %s of model %s are not here: none of %s. telar fetch %s:%s gets them from %s", w->name, m->name,
                looked, m->name, w->name, w->url);
    else
        tl_fail(TL_ERR_NOT_FOUND, "the weights %s of model %s are not here: none of %s. No address is listed: put the file there", w->name, m->name,
                looked);
    return NULL;
}
