/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries of plugins' tables, by name; see catalogue.h.
 */
#include "nn/data/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/config.h>
#include <telar/registry.h>

enum { MAX_PLUGINS = 256 };

/* What tables of models and of data sets have in common. */
struct table {
    uint32_t struct_size, reserved;
    const void *const *entries;
};

static const char *name_of(const struct catalogue *c, const void *entry)
{
    const char *name;
    memcpy(&name, (const char *)entry + c->name, sizeof name);
    return name;
}

static const void *listed_as(const struct catalogue *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(name_of(c, c->entries[i]), name) == 0)
            return c->entries[i];
    return NULL;
}

/* A copy of today's size; NULL if there is no memory. */
static void *copy_entry(const struct catalogue *c, const void *entry, uint32_t size)
{
    const uint32_t now = (uint32_t)c->size;
    void *copy = calloc(1, c->size);
    if (!copy)
        return NULL;
    memcpy(copy, entry, size < c->size ? size : c->size);
    memcpy(copy, &now, sizeof now);
    return copy;
}

/* NULL if the entry can be listed, else why not. */
static const char *judge(const struct catalogue *c, const void *entry, uint32_t size, char *why, size_t room)
{
    if (size < c->least) {
        snprintf(why, room, "struct_size is %u; .struct_size = sizeof(struct %s) is needed", size, c->type);
        return why;
    }
    const char *name = name_of(c, entry);
    return name && name[0] ? c->judge(entry, why, room) : "name is NULL or empty";
}

static void list_entry(struct catalogue *c, const char *plugin, const void *entry, size_t place)
{
    char why[600], name[40];
    uint32_t size;
    memcpy(&size, entry, sizeof size);
    void *copy = copy_entry(c, entry, size);
    const char *flaw = copy ? judge(c, copy, size, why, sizeof why) : "out of memory", *given = name_of(c, entry);
    if (given)
        snprintf(name, sizeof name, "'%.30s'", given);
    else
        snprintf(name, sizeof name, "%zu of its list", place);
    bool hidden = !flaw && listed_as(c, given);
    if (flaw)
        tl_plugin_left_out(c->kind, plugin, "%s %s: %s", c->what, name, flaw);
    else if (hidden)
        tl_plugin_remark_add("%s %s of the plugin %s is hidden by another of that name", c->what, given, plugin);
    if (flaw || hidden || c->n == MAX_CATALOGUED)
        free(copy);
    else
        c->entries[c->n++] = copy;
}

static void list_plugin(struct catalogue *c, const char *plugin)
{
    const struct table *t = tl_plugin_open(c->kind, plugin, c->abi);
    if (!t) { /* a broken plugin must not hide the others */
        tl_error_clear();
        tl_plugin_left_out(c->kind, plugin, NULL);
        return;
    }
    if (t->struct_size < sizeof *t || !t->entries || !t->entries[0])
        tl_plugin_left_out(c->kind, plugin, "its table lists no %s", c->what);
    for (size_t i = 0; t->struct_size >= sizeof *t && t->entries && t->entries[i]; i++)
        list_entry(c, plugin, t->entries[i], i + 1);
}

/* With the lock held. Not while an error is set, which opening plugins would take for one of its own: then it is done at a later call, and until
 * then the list is empty. */
static void list_all(struct catalogue *c)
{
    bool clear = tl_error_code() == TL_OK;
    struct tl_plugin_info *found = clear && !c->listed ? calloc(MAX_PLUGINS, sizeof *found) : NULL;
    size_t n = found ? tl_plugins(c->kind, false, found, MAX_PLUGINS) : 0;
    for (size_t i = 0; i < n && i < MAX_PLUGINS; i++)
        list_plugin(c, found[i].name);
    c->listed = c->listed || found;
    free(found);
}

size_t catalogue_list(struct catalogue *c, const void **list, size_t capacity)
{
    pthread_mutex_lock(&c->lock);
    list_all(c);
    size_t n = c->n;
    if (list)
        memcpy(list, c->entries, (n < capacity ? n : capacity) * sizeof *list);
    pthread_mutex_unlock(&c->lock);
    return n;
}

const void *catalogue_get(struct catalogue *c, const char *name)
{
    pthread_mutex_lock(&c->lock);
    list_all(c);
    const void *entry = listed_as(c, name);
    pthread_mutex_unlock(&c->lock);
    return entry;
}

/* Is there a plugin file of this name that cannot be used? Then its verdict is the error: it says more than a list of names. */
static bool plugin_is_broken(const struct catalogue *c, const char *name)
{
    static _Thread_local struct tl_plugin_info found[MAX_PLUGINS];
    size_t n = tl_plugins(c->kind, false, found, MAX_PLUGINS);
    for (size_t i = 0; i < n && i < MAX_PLUGINS; i++)
        if (strcmp(found[i].name, name) == 0 && found[i].status != TL_OK) {
            tl_fail(found[i].status, "the %s plugin \"%s\" (%s) is left out, wholly or in part: %s", c->kind, name, found[i].path, found[i].verdict);
            return true;
        }
    return false;
}

const void *catalogue_find(struct catalogue *c, const char *name, const char *hint)
{
    const void *entry = catalogue_get(c, name);
    const void *entries[MAX_CATALOGUED];
    const char *names[MAX_CATALOGUED];
    char all[600] = "";
    if (entry || plugin_is_broken(c, name))
        return entry;
    size_t n = catalogue_list(c, entries, MAX_CATALOGUED);
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(all);
        names[i] = name_of(c, entries[i]);
        snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", names[i]);
    }
    const char *near = tl_nearest_name(name, names, n);
    tl_fail(TL_ERR_NOT_FOUND, "no %s \"%s\"%s%s%s; there are: %s%s", c->what, name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
            all[0] ? all : "none (see telar doctor)", hint);
    return NULL;
}
