/* SPDX-License-Identifier: Apache-2.0
 *
 * What the plugins of a kind list in their tables, by name: models, data sets. A plugin's table is {struct_size, reserved, list of entries ending
 * with NULL}, and an entry begins with its struct_size. Every plugin is opened once, and its entries are judged before they are listed, so that what is
 * listed can be used; of two with one name, the first found counts. Listed are copies of today's size: members that an earlier version lacks
 * are zero in them, and nobody else need ask what there is.
 */
#ifndef TELAR_NN_DATA_CATALOGUE_H
#define TELAR_NN_DATA_CATALOGUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_CATALOGUED = 1024 };

struct catalogue {
    const char *kind;   /* of plugins: "model", "data" */
    const char *what;   /* one entry, in messages: "model", "data set" */
    const char *type;   /* and its type in C: "tl_model" */
    uint32_t abi;
    size_t size, least; /* of an entry, today and in its first version */
    size_t name;        /* where in it its name is */
    /* NULL if an entry (with a name) can be used; else why not, in `why` or constant. */
    const char *(*judge)(const void *entry, char *why, size_t size);
    pthread_mutex_t lock;
    bool listed;
    size_t n;
    void *entries[MAX_CATALOGUED];
};

/* Open all plugins of the kind, unless that was done; the number of entries, of which at most capacity are put into list (or NULL). They stay where they
 * are for the life of the process. */
size_t catalogue_list(struct catalogue *c, const void **list, size_t capacity);
/* The entry of that name, or NULL without an error. */
const void *catalogue_get(struct catalogue *c, const char *name);
/* The same; NULL and an error, which says what is wrong with a plugin of that name, or what there is, with the nearest name. `hint` (or "") ends it. */
const void *catalogue_find(struct catalogue *c, const char *name, const char *hint);

#endif
