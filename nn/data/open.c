/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a data set by name or by path: which plugin serves it. A plugin file of that name is asked first, so that the
 * usual case opens one shared object; then every data plugin is opened and its list of names is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <dirent.h>
#include <telar/dataset.h>
#include <telar/registry.h>

#define MAX_PLUGINS 256

/* Does the plugin list `name`? Its names are pairs: name, description. */
static bool serves(const struct tl_data_plugin *p, const char *name)
{
    for (const char *const *pair = p->names; pair && pair[0] && pair[1]; pair += 2)
        if (strcmp(pair[0], name) == 0)
            return true;
    return false;
}

/* Open a plugin; NULL, and no error of ours, if it does not load: its verdict is kept by the registry. */
static const struct tl_data_plugin *try_plugin(const char *name)
{
    bool clear = tl_error_code() == TL_OK;
    const struct tl_data_plugin *p = tl_plugin_open("data", name, TL_DATA_ABI);

    if (p && p->struct_size < offsetof(struct tl_data_plugin, open) + sizeof p->open)
        p = NULL;
    if (!p && clear) {
        tl_log_message(TL_LOG_INFO, "data", "plugin %s does not load: %s", name, tl_error_message());
        tl_error_clear();
    }
    return p && p->open ? p : NULL;
}

static size_t list_plugins(struct tl_plugin_info *list)
{
    size_t n = tl_plugins("data", false, list, MAX_PLUGINS);

    return n < MAX_PLUGINS ? n : MAX_PLUGINS;
}

size_t tl_data_names(struct tl_data_name *list, size_t capacity)
{
    struct tl_plugin_info info[MAX_PLUGINS];
    size_t n = list_plugins(info), count = 0;

    for (size_t i = 0; i < n; i++) {
        const struct tl_data_plugin *p = try_plugin(info[i].name);
        for (const char *const *pair = p ? p->names : NULL; pair && pair[0] && pair[1]; pair += 2) {
            if (count < capacity && list)
                list[count] = (struct tl_data_name){pair[0], pair[1], info[i].name};
            count++;
        }
    }
    return count;
}

/* The plugin that serves `name`, or NULL and an error that lists what there is. */
static const struct tl_data_plugin *find_plugin(const char *name)
{
    struct tl_plugin_info info[MAX_PLUGINS];
    size_t n = list_plugins(info);
    const struct tl_data_plugin *p;
    const char *broken = NULL;
    char known[512] = "";

    for (size_t i = 0; i < n; i++)
        if (strcmp(info[i].name, name) == 0) {
            if ((p = try_plugin(name)) && serves(p, name))
                return p;
            broken = p ? NULL : name;
        }
    if (broken) { /* the plugin that was meant: its own words say more than a list */
        tl_plugin_open("data", name, TL_DATA_ABI);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(p = try_plugin(info[i].name)))
            continue;
        if (serves(p, name))
            return p;
        for (const char *const *pair = p->names; pair && pair[0] && pair[1]; pair += 2) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", pair[0]);
        }
    }
    tl_fail(TL_ERR_NOT_FOUND, "data_open: no data set \"%s\"; there are: %s. A path to a file or folder works too", name,
            known[0] ? known : "none (no data plugin was found)");
    return NULL;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* What lies in a folder tells which plugin reads it. */
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

/* The name that serves this path, NULL if its ending says nothing. */
static const char *kind_of_path(const char *path)
{
    static const char *const endings[][2] = {
        {".csv", "csv"}, {".csv.gz", "csv"}, {".tsv", "csv"}, {".tsv.gz", "csv"}, {".txt", "csv"}, {"-ubyte", "idx"},
        {"-ubyte.gz", "idx"}, {".bin", "cifar10"},
    };
    struct stat st;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(path, endings[i][0]))
            return endings[i][1];
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return kind_of_folder(path);
    return NULL;
}

tl_dataset *tl_data_open(const char *name, const struct tl_data_options *given)
{
    struct tl_data_options o = {0};

    if (!name || !name[0]) {
        tl_fail(TL_ERR_ARGUMENT, "data_open: no name");
        return NULL;
    }
    if (given)
        memcpy(&o, given, given->struct_size && given->struct_size < sizeof o ? given->struct_size : sizeof o);
    o.struct_size = sizeof o;

    const char *served = name;
    if (strchr(name, '/') || strchr(name, '.')) {
        if (o.path) {
            tl_fail(TL_ERR_ARGUMENT, "data_open: \"%s\" is a path, and the option path gives another: \"%s\"", name, o.path);
            return NULL;
        }
        o.path = name;
        if (!(served = kind_of_path(name))) {
            tl_fail(TL_ERR_NOT_FOUND, "data_open: \"%s\" is neither a folder nor a file whose ending is known (.csv, .tsv, .txt, "
                    "-ubyte, .bin; .gz after the first three and -ubyte)", name);
            return NULL;
        }
    }
    const struct tl_data_plugin *p = find_plugin(served);
    if (!p)
        return NULL;
    tl_dataset *d = p->open(served, &o);
    if (!d)
        tl_fail(TL_ERR_PLUGIN, "data_open: the plugin for \"%s\" failed without a message", served);
    return d;
}
