/* SPDX-License-Identifier: Apache-2.0
 *
 * A pickle as data. Its opcodes are run on values that can hold what a checkpoint is made of: numbers, text, lists, dictionaries,
 * storages and tensors. Names of code ("global" opcodes) are looked up in a fixed table of the constructors of tensors, each of which
 * is a case of a switch here; what is not in the table is refused by name. So nothing that a file says is ever called.
 */
#ifndef TELAR_PLUGINS_PTH_PICKLE_H
#define TELAR_PLUGINS_PTH_PICKLE_H

#include <telar/state.h>

enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_BYTES,
    VALUE_TUPLE,
    VALUE_LIST,
    VALUE_DICT,    /* items: key, value, key, value, … */
    VALUE_GLOBAL,  /* tag: what it means */
    VALUE_STORAGE, /* i: number in the pickle's table of storages */
    VALUE_TENSOR,  /* items: storage, offset, sizes, strides */
    VALUE_DTYPE,   /* of NumPy: text */
    VALUE_OTHER    /* nothing that a state has a place for: a device, a big number */
};

struct value {
    uint8_t kind, tag;
    uint32_t n; /* bytes of text, items */
    union {
        int64_t i;
        double f;
        const char *text; /* in the file, or in the pickle's own memory; no NUL behind it */
        struct value **items;
    };
    uint32_t room; /* of items */
};

/** A storage that the pickle names. */
struct pickle_storage {
    const char *key;
    int64_t numel;
    const unsigned char *data; /* for the reader of the bytes */
    tl_tensor *tensor;         /* all of it, kept; made when the first of several tensors needs it */
    uint32_t key_length;
    uint8_t type;         /* see storage_type_name() */
    uint8_t dtype;        /* TL_DEFAULT: of a type that is not known here */
    uint8_t element_size;
    bool seen;            /* for the reader of the bytes */
    bool shared;          /* more than one tensor is made of it */
    bool used;
};
const char *storage_type_name(const struct pickle_storage *s);

/* Memory that a pickle may make of nothing: what its values, names and tensors take, besides twice the file's size. */
#define PICKLE_FREE ((size_t)48 << 20)
enum { PICKLE_MOST_OPCODES = 1 << 22, PICKLE_MOST_DEPTH = 64, PICKLE_SMALL = 256 };

struct pickle {
    const char *path, *part; /* for messages: the file, and what of it this is */
    const unsigned char *start, *at, *end;
    size_t budget;
    tl_global_visit look; /* not NULL: called for each name, of which none is refused then; no tensors are made */
    void *look_ctx;

    struct value **stack, **memo;
    size_t depth, stack_room, memo_room, memo_next;
    size_t *marks;
    size_t n_marks, marks_room;
    size_t opcodes;
    struct value *small[PICKLE_SMALL]; /* numbers that were made */
    unsigned char *chunk; /* the newest, linked to the earlier ones */
    size_t chunk_used, chunk_size;
    struct pickle_storage *storages;
    size_t n_storages, storages_room;
    uint32_t *storage_index; /* number plus one */
    size_t storage_index_size;
    struct value *result;
};

/** Run one pickle that begins at `data`. What it leaves is p->result, and p->at is behind its end. Free with pickle_free(), also after a
 *  failure. With `look` names are visited and everything is taken for a value of no interest. */
tl_status pickle_run(struct pickle *p, const char *path, const char *part, const unsigned char *data, size_t size, size_t budget,
                     tl_global_visit look, void *ctx);
void pickle_free(struct pickle *p);

/** Fail with the file, the part and the byte that is being read. */
tl_status pickle_fail(const struct pickle *p, tl_status code, const char *format, ...) TL_PRINTF(3, 4);
/** Memory that lives as long as the pickle, against its budget; NULL and an error. */
void *pickle_alloc(struct pickle *p, size_t n);
/** Count memory of somebody else against the budget. */
tl_status pickle_charge(struct pickle *p, size_t n);
struct value *pickle_value(struct pickle *p, enum value_kind kind);
bool value_is_text(const struct value *v, const char *text);

/* ---- What names mean (globals.c) ---- */

/** The value of a name of code: of the table, or refused. NULL and an error. */
struct value *global_find(struct pickle *p, const char *module, size_t module_length, const char *name, size_t name_length);
/** What the call of one with these arguments would give. NULL and an error. */
struct value *global_reduce(struct pickle *p, const struct value *callee, struct value *args);
/** A storage, from its persistent id. NULL and an error. */
struct value *global_storage(struct pickle *p, const struct value *id);
/** The storage of a key; NULL if the pickle names none. */
struct pickle_storage *pickle_storage_find(const struct pickle *p, const char *key, size_t n);
/** Set the state of an object. */
tl_status global_build(struct pickle *p, const struct value *object, const struct value *state);

#endif
