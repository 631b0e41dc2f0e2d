/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets by name or by path. Every data plugin is opened once and its sources are listed, in the order in which plugins are
 * found; of two with one name, the first counts. A source is judged before it is listed; what a user asks of it is
 * checked before its code runs, and what it gives, after.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <telar/data.h>
#include <telar/registry.h>

#include "nn/data/internal.h"
#include "nn/options.h"

enum { MAX_PLUGINS = 256, MAX_SOURCES = 1024 };

/* ---- The list ------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct tl_data_source *sources[MAX_SOURCES];
static size_t n_sources;
static bool listed;

static const struct tl_data_source *find_listed(const char *name)
{
    for (size_t i = 0; i < n_sources; i++)
        if (strcmp(sources[i]->name, name) == 0)
            return sources[i];
    return NULL;
}

/* NULL if the source can be used, else why not, in `why`. */
static const char *judge(const struct tl_data_source *s, char *why, size_t size)
{
    char owner[120];
    if (s->struct_size < offsetof(struct tl_data_source, open) + sizeof s->open) {
        snprintf(why, size, "struct_size is %u; .struct_size = sizeof(struct tl_data_source) is needed", s->struct_size);
        return why;
    }
    if (!s->name || !s->name[0])
        return "name is NULL or empty";
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

static void list_plugin(const char *plugin)
{
    const struct tl_data_plugin *p = tl_plugin_open("data", plugin, TL_DATA_ABI);
    char why[600], name[40];
    if (!p) { /* a broken plugin must not hide the others */
        tl_error_clear();
        tl_plugin_left_out("data", plugin, NULL);
        return;
    }
    if (p->struct_size < sizeof *p || !p->sources || !p->sources[0])
        tl_plugin_left_out("data", plugin, "its table lists no data set");
    for (size_t i = 0; p->struct_size >= sizeof *p && p->sources && p->sources[i]; i++) {
        const struct tl_data_source *s = p->sources[i];
        const char *flaw = judge(s, why, sizeof why);
        if (s->name)
            snprintf(name, sizeof name, "'%.30s'", s->name);
        else
            snprintf(name, sizeof name, "%zu of its list", i + 1);
        if (flaw)
            tl_plugin_left_out("data", plugin, "data set %s: %s", name, flaw);
        else if (find_listed(s->name))
            tl_plugin_remark_add("data set %s of the plugin %s is hidden by another of that name", s->name, plugin);
        else if (n_sources < MAX_SOURCES)
            sources[n_sources++] = s;
    }
}

static void list_sources(void)
{
    pthread_mutex_lock(&lock);
    if (!listed) {
        static struct tl_plugin_info found[MAX_PLUGINS];
        bool clear = tl_error_code() == TL_OK;
        size_t n = tl_plugins("data", false, found, MAX_PLUGINS);
        for (size_t i = 0; clear && i < n && i < MAX_PLUGINS; i++)
            list_plugin(found[i].name);
        listed = clear;
    }
    pthread_mutex_unlock(&lock);
}

size_t tl_data_sources(const struct tl_data_source **list, size_t capacity)
{
    list_sources();
    for (size_t i = 0; list && i < n_sources && i < capacity; i++)
        list[i] = sources[i];
    return n_sources;
}

bool plugin_is_broken(const char *kind, const char *name)
{
    static _Thread_local struct tl_plugin_info found[MAX_PLUGINS];
    size_t n = tl_plugins(kind, false, found, MAX_PLUGINS);

    for (size_t i = 0; i < n && i < MAX_PLUGINS; i++)
        if (strcmp(found[i].name, name) == 0 && found[i].status != TL_OK) {
            tl_fail(found[i].status, "the %s plugin \"%s\" (%s) is left out, wholly or in part: %s", kind, name, found[i].path,
                    found[i].verdict);
            return true;
        }
    return false;
}

const struct tl_data_source *tl_data_find(const char *name)
{
    const char *names[MAX_SOURCES];
    char all[512] = "";
    if (!name || !name[0]) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: no name");
        return NULL;
    }
    list_sources();
    const struct tl_data_source *s = find_listed(name);
    if (s)
        return s;
    if (plugin_is_broken("data", name))
        return NULL;
    for (size_t i = 0; i < n_sources; i++) {
        size_t used = strlen(all);
        names[i] = sources[i]->name;
        snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", names[i]);
    }
    const char *near = tl_nearest_name(name, names, n_sources);
    tl_fail(TL_ERR_NOT_FOUND, "no data set \"%s\"%s%s%s; there are: %s. A path to a file or folder works too", name,
            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "", all[0] ? all : "none (see telar doctor)");
    struct stat st;
    if (stat(name, &st) == 0)
        tl_error_prefix("\"%s\" is also %s here: write ./%s to open it; ", name, S_ISDIR(st.st_mode) ? "a folder" : "a file", name);
    return NULL;
}

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

/* Letters' case ignored: cameras write .JPG. */
static bool ends_like(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcasecmp(s + n - m, end) == 0;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* What lies in a folder tells which source reads it. */
static const char *kind_of_folder(const char *path)
{
    const char *kind = "folder";
    DIR *dir = opendir(path);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        if (ends_with(e->d_name, "-ubyte") || ends_with(e->d_name, "-ubyte.gz"))
            kind = "idx";
        else if (ends_with(e->d_name, "_batch.bin") || strncmp(e->d_name, "data_batch_", 11) == 0)
            kind = "cifar10";
    }
    if (dir)
        closedir(dir);
    return kind;
}

const struct tl_data_source *tl_data_find_path(const char *path)
{
    static const char *const endings[][2] = {
        {".csv", "csv"}, {".csv.gz", "csv"}, {".tsv", "csv"}, {".tsv.gz", "csv"}, {".txt", "csv"}, {"-ubyte", "idx"},
        {"-ubyte.gz", "idx"}, {".bin", "cifar10"}, {".png", "folder"}, {".jpg", "folder"}, {".jpeg", "folder"},
    };
    const char *kind = NULL;
    struct stat st;

    for (size_t i = 0; path && !kind && i < sizeof endings / sizeof *endings; i++)
        if (ends_like(path, endings[i][0]))
            kind = endings[i][1];
    if (path && !kind && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        kind = kind_of_folder(path);
    if (kind)
        return tl_data_find(kind);
    tl_fail(TL_ERR_NOT_FOUND, "data_open: \"%s\" is neither a folder nor a file whose ending is known (.csv, .tsv, .txt, "
            "-ubyte, .bin, .png, .jpg, .jpeg; .gz after the first three and -ubyte). A set with a reader of its own is opened by its name and .path", path ? path : "");
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
    list_sources();
    return find_listed(source) ? colon : NULL;
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
