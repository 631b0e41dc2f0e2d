/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets by name, or by path: then their tables tell which of them reads it. What a user asks of a source is checked before its code runs, and
 * what it gives, after.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <telar/data.h>
#include <telar/registry.h>

#include "nn/data/catalogue.h"
#include "nn/data/internal.h"
#include "nn/options.h"

/* ---- The list ------------------------------------------------------------------------------------------------- */

/* NULL if the source can be used, else why not, in `why`. */
static const char *judge(const void *entry, char *why, size_t size)
{
    const struct tl_data_source *s = entry;
    char owner[120];
    if (!s->open)
        return "open is NULL";
    if (s->flags & ~TL_DATA_OWN_SPLIT) {
        snprintf(why, size, "flags has bits (0x%x) that this Telar does not know", (unsigned)(s->flags & ~TL_DATA_OWN_SPLIT));
        return why;
    }
    snprintf(owner, sizeof owner, "data set %s", s->name);
    if (tl_config_check(owner, s->options) == TL_OK)
        return NULL;
    snprintf(why, size, "%s", tl_error_message());
    tl_error_clear();
    return why;
}

static struct catalogue sources = {
    .kind = "data",
    .what = "data set",
    .type = "tl_data_source",
    .abi = TL_DATA_ABI,
    .size = sizeof(struct tl_data_source),
    .least = offsetof(struct tl_data_source, open) + sizeof(((struct tl_data_source *)NULL)->open),
    .name = offsetof(struct tl_data_source, name),
    .judge = judge,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

size_t tl_data_sources(const struct tl_data_source **list, size_t capacity)
{
    return catalogue_list(&sources, (const void **)list, capacity);
}

const struct tl_data_source *tl_data_find(const char *name)
{
    struct stat st;
    if (!name || !name[0]) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: no name");
        return NULL;
    }
    const struct tl_data_source *s = catalogue_find(&sources, name, ". A path to a file or folder works too");
    if (!s && tl_error_code() == TL_ERR_NOT_FOUND && stat(name, &st) == 0)
        tl_error_prefix("\"%s\" is also %s here: write ./%s to open it; ", name, S_ISDIR(st.st_mode) ? "a folder" : "a file", name);
    return s;
}

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

/* Letters' case ignored: cameras write .JPG. */
static bool ends_like(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcasecmp(s + n - m, end) == 0;
}

/* The first that reads files of this name; of endings that fit the longest counts. */
static const struct tl_data_source *reader_of_file(const struct tl_data_source *const *list, size_t n, const char *path)
{
    const struct tl_data_source *reader = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < n; i++)
        for (const char *const *e = list[i]->endings; e && *e; e++)
            if (strlen(*e) > longest && ends_like(path, *e)) {
                reader = list[i];
                longest = strlen(*e);
            }
    return reader;
}

static const struct tl_data_source *reader_of_folder(const struct tl_data_source *const *list, size_t n, const char *path)
{
    const struct tl_data_source *reader = NULL;
    enum tl_folder surest = TL_FOLDER_NO;

    for (size_t i = 0; i < n; i++) {
        enum tl_folder verdict = list[i]->reads_folder ? list[i]->reads_folder(path) : TL_FOLDER_NO;
        if (verdict > surest) {
            reader = list[i];
            surest = verdict;
        }
    }
    return reader;
}

static void list_endings(const struct tl_data_source *const *list, size_t n, char *text, size_t size)
{
    text[0] = 0;
    for (size_t i = 0; i < n; i++)
        for (const char *const *e = list[i]->endings; e && *e; e++) {
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%s%s", used ? ", " : "", *e);
        }
}

const struct tl_data_source *tl_data_find_path(const char *path)
{
    const struct tl_data_source *list[MAX_CATALOGUED];
    char endings[400];
    struct stat st;

    if (!path) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: the path is NULL");
        return NULL;
    }
    size_t n = tl_data_sources(list, MAX_CATALOGUED);
    const struct tl_data_source *s = reader_of_file(list, n, path);
    bool folder = !s && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (folder)
        s = reader_of_folder(list, n, path);
    if (s)
        return s;
    list_endings(list, n, endings, sizeof endings);
    if (folder)
        tl_fail(TL_ERR_NOT_FOUND, "data_open: no data set that is here reads the folder \"%s\". One is also opened by its name and .path", path);
    else
        tl_fail(TL_ERR_NOT_FOUND, "data_open: \"%s\" is neither a folder nor a file whose ending is known (%s). A data set is also opened by its name and "
                ".path", path, endings[0] ? endings : "none");
    return NULL;
}

/* ---- Opening ------------------------------------------------------------------------------------------------------ */

static tl_status parse_split(const char *text, enum tl_split *split)
{
    static const char *const names[] = {"all", "train", "test"};

    *split = TL_SPLIT_ALL;
    for (size_t i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *split = (enum tl_split)i;
            return TL_OK;
        }
    return text ? tl_fail(TL_ERR_ARGUMENT, "data_open: no split \"%s\"; there are train, test and all", text) : TL_OK;
}

/* What came back, judged and cut. */
static tl_dataset *finish(const struct tl_data_source *s, const struct tl_data_request *r, bool clear, tl_dataset *d)
{
    if (d && clear && tl_error_code() != TL_OK) { /* a call that failed on the way */
        tl_dataset_free(d);
        return NULL;
    }
    if (!d) {
        tl_fail(TL_ERR_PLUGIN, "data set %s: open() gave NULL without an error", s->name);
        return NULL;
    }
    dataset_set_name(d, s->name);
    return s->flags & TL_DATA_OWN_SPLIT ? d : tl_data_split(d, r);
}

/* "SOURCE:PATH": the colon, with the source's name copied; NULL if no source is named so. */
static const char *split_name(const char *name, char *source, size_t size)
{
    const char *colon = name ? strchr(name, ':') : NULL;
    size_t length = colon ? (size_t)(colon - name) : 0;
    if (length == 0 || length >= size)
        return NULL;
    memcpy(source, name, length);
    source[length] = 0;
    return catalogue_get(&sources, source) ? colon : NULL;
}

static bool is_a_path(const char *name)
{
    return name && (strchr(name, '/') || strchr(name, '.'));
}

const struct tl_data_source *tl_data_source_of(const char *name)
{
    char source[64];
    if (split_name(name, source, sizeof source))
        return tl_data_find(source);
    return is_a_path(name) ? tl_data_find_path(name) : tl_data_find(name);
}

tl_dataset *tl_data_open_with(const char *name, const struct tl_data_options *given)
{
    struct tl_data_options o;
    struct tl_data_request r = {.struct_size = sizeof r};
    char owner[120];

    options_taken(&o, sizeof o, given);
    char source[64];
    const char *colon = split_name(name, source, sizeof source);
    if (colon && o.path) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: \"%s\" names a path, and the option path gives another: \"%s\"", name, o.path);
        return NULL;
    }
    if (colon) {
        o.path = colon + 1;
        name = source;
    }
    bool is_path = !colon && is_a_path(name);
    if (is_path && o.path) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: \"%s\" is a path, and the option path gives another: \"%s\"", name, o.path);
        return NULL;
    }
    if (!(o.test_share >= 0 && o.test_share <= 1)) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: a test share of %g; it must be between 0 and 1 (0: the default, 0.2)", o.test_share);
        return NULL;
    }
    const struct tl_data_source *s = is_path ? tl_data_find_path(name) : tl_data_find(name);
    if (!s || parse_split(o.split, &r.split) != TL_OK)
        return NULL;
    r.name = s->name;
    r.path = is_path ? name : o.path;
    r.seed = o.seed;
    r.test_share = o.test_share == 0 ? 0.2 : o.test_share;
    snprintf(owner, sizeof owner, "data set %s", s->name);
    struct tl_config *c = tl_config_new(owner, s->options, o.options);
    if (!c)
        return NULL;
    r.config = c;
    bool clear = tl_error_code() == TL_OK;
    tl_dataset *d = finish(s, &r, clear, s->open(&r));
    tl_config_free(c);
    return d;
}
