/* SPDX-License-Identifier: Apache-2.0
 *
 * What the names in a pickle mean: the whole table of those that are understood. Each stands for a case below that builds a value from
 * the arguments; there is no way from a name to anything else.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pickle.h"

enum meaning {
    DICTIONARY,     /* a dictionary, from nothing or from another one */
    SEQUENCE,       /* a list, from nothing or from another one */
    BYTES,          /* no bytes, from nothing */
    SIZE,           /* a tuple of sizes, from one */
    TENSOR,         /* a tensor, from storage, offset, sizes, strides, … */
    PARAMETER,      /* the tensor that it is given first */
    ENCODED,        /* bytes, from a text whose characters are their values */
    NUMPY_DTYPE,
    NUMPY_SCALAR,   /* a number, from its type and bytes */
    STORAGE_TYPE,
    UNIMPORTANT,    /* a value that no state has a place for: a device, an element type */
    UNSUPPORTED,    /* known, harmless, and not a tensor that there is here */
    UNKNOWN
};

static const struct {
    const char *module, *name;
    enum meaning meaning;
} table[] = {
    {"collections", "OrderedDict", DICTIONARY},
    {"collections", "defaultdict", DICTIONARY},
    {"collections", "Counter", DICTIONARY},
    {"builtins", "dict", DICTIONARY},
    {"__builtin__", "dict", DICTIONARY},
    {"builtins", "list", SEQUENCE},
    {"__builtin__", "list", SEQUENCE},
    {"builtins", "set", SEQUENCE},
    {"__builtin__", "set", SEQUENCE},
    {"builtins", "bytes", BYTES},
    {"__builtin__", "bytes", BYTES},
    {"torch", "Size", SIZE},
    {"torch._utils", "_rebuild_tensor", TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR},
    {"torch._utils", "_rebuild_parameter", PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", PARAMETER},
    {"_codecs", "encode", ENCODED},
    {"numpy", "dtype", NUMPY_DTYPE},
    {"numpy.core.multiarray", "scalar", NUMPY_SCALAR},
    {"numpy._core.multiarray", "scalar", NUMPY_SCALAR},
    {"torch", "device", UNIMPORTANT},
    {"torch", "float32", UNIMPORTANT},
    {"torch", "float64", UNIMPORTANT},
    {"torch", "float16", UNIMPORTANT},
    {"torch", "bfloat16", UNIMPORTANT},
    {"torch", "int8", UNIMPORTANT},
    {"torch", "uint8", UNIMPORTANT},
    {"torch", "int16", UNIMPORTANT},
    {"torch", "int32", UNIMPORTANT},
    {"torch", "int64", UNIMPORTANT},
    {"torch", "bool", UNIMPORTANT},
    {"torch", "strided", UNIMPORTANT},
    {"torch.serialization", "_get_layout", UNIMPORTANT},
    {"torch._utils", "_rebuild_tensor_v3", UNSUPPORTED},
    {"torch._utils", "_rebuild_sparse_tensor", UNSUPPORTED},
    {"torch._utils", "_rebuild_sparse_csr_tensor", UNSUPPORTED},
    {"torch._utils", "_rebuild_qtensor", UNSUPPORTED},
    {"torch._utils", "_rebuild_nested_tensor", UNSUPPORTED},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", UNSUPPORTED},
};

static const struct {
    const char *name;
    tl_dtype dtype; /* TL_DEFAULT: none that there is here */
    uint8_t size;   /* of an element, then */
} storage_types[] = {
    {"FloatStorage", TL_F32, 4},      {"DoubleStorage", TL_F64, 8},        {"HalfStorage", TL_F16, 2},
    {"BFloat16Storage", TL_BF16, 2},  {"CharStorage", TL_I8, 1},           {"ByteStorage", TL_U8, 1},
    {"IntStorage", TL_I32, 4},        {"LongStorage", TL_I64, 8},          {"BoolStorage", TL_BOOL, 1},
    {"ShortStorage", TL_DEFAULT, 2},  {"ComplexFloatStorage", TL_DEFAULT, 8}, {"ComplexDoubleStorage", TL_DEFAULT, 16},
    {"QInt8Storage", TL_DEFAULT, 1},  {"QUInt8Storage", TL_DEFAULT, 1},    {"QInt32Storage", TL_DEFAULT, 4},
    {"UntypedStorage", TL_DEFAULT, 1},
};
enum { N_STORAGE_TYPES = sizeof storage_types / sizeof *storage_types, N_TABLE = sizeof table / sizeof *table };

static bool same(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

/* ---- Names ---- */

static tl_status refuse(const struct pickle *p, const char *full)
{
    static const char *const others[] = {"torch.nn.", "torchvision.", "__main__.", "models.", "__torch__."};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncmp(full, others[i], strlen(others[i])) == 0)
            return pickle_fail(p, TL_ERR_UNSAFE, "it would call %s, which is never done: a whole module was saved; save its state_dict() instead", full);
    return pickle_fail(p, TL_ERR_UNSAFE, "it would call %s, which is no constructor of tensors and is never called; save a state_dict() instead "
                       "(telar inspect lists all that it would call)", full);
}

struct value *global_find(struct pickle *p, const char *module, size_t module_length, const char *name, size_t name_length)
{
    char full[300];
    uint8_t meaning = UNKNOWN, which = 0;
    bool of_storages = same(module, module_length, "torch") || same(module, module_length, "torch.cuda") || same(module, module_length, "torch.storage");

    snprintf(full, sizeof full, "%.*s.%.*s", (int)(module_length < 140 ? module_length : 140), module, (int)(name_length < 140 ? name_length : 140), name);
    for (size_t i = 0; i < N_TABLE && meaning == UNKNOWN; i++)
        if (same(module, module_length, table[i].module) && same(name, name_length, table[i].name))
            meaning = (uint8_t)table[i].meaning;
    for (uint8_t i = 0; of_storages && i < N_STORAGE_TYPES && meaning == UNKNOWN; i++)
        if (same(name, name_length, storage_types[i].name)) {
            meaning = STORAGE_TYPE;
            which = i;
        }
    if (p->look) {
        p->look(full, meaning < UNSUPPORTED, p->look_ctx);
    } else if (meaning == UNKNOWN) {
        refuse(p, full);
        return NULL;
    } else if (meaning == UNSUPPORTED) {
        pickle_fail(p, TL_ERR_UNSUPPORTED, "tensors of %s are not among those that there are here", full);
        return NULL;
    }
    struct value *v = pickle_value(p, p->look ? VALUE_OTHER : VALUE_GLOBAL);
    if (v) {
        v->tag = meaning;
        v->i = which;
    }
    return v;
}

/* ---- Calls ---- */

static struct value *wrong_arguments(const struct pickle *p, const char *what)
{
    pickle_fail(p, TL_ERR_FORMAT, "%s cannot be made of the arguments that are there", what);
    return NULL;
}

static bool is_sequence(const struct value *v)
{
    return v->kind == VALUE_TUPLE || v->kind == VALUE_LIST;
}

/* A list of lists of a key and a value: so Python 2 saves a dictionary that has an order. */
static struct value *make_of_pairs(struct pickle *p, const struct value *pairs)
{
    struct value *v = pickle_value(p, VALUE_DICT);

    if (!v || !(v->items = pickle_alloc(p, 2 * (size_t)pairs->n * sizeof *v->items)))
        return NULL;
    for (uint32_t i = 0; i < pairs->n; i++) {
        const struct value *pair = pairs->items[i];
        if (!is_sequence(pair) || pair->n != 2)
            return wrong_arguments(p, "a dictionary");
        memcpy(v->items + v->n, pair->items, 2 * sizeof *v->items);
        v->n += 2;
    }
    v->room = v->n;
    return v;
}

/* What `from` holds, or nothing if there is nothing to make it of. The copy keeps two dictionaries apart. */
static struct value *make_container(struct pickle *p, enum value_kind kind, const struct value *args)
{
    const struct value *from = args->n > 0 ? args->items[args->n - 1] : NULL;

    if (kind == VALUE_DICT && from && is_sequence(from) && from->n > 0 && from->n <= UINT32_MAX / 2)
        return make_of_pairs(p, from);
    struct value *v = pickle_value(p, kind);
    if (v && from && (from->kind == kind || (kind == VALUE_LIST && from->kind == VALUE_TUPLE)) && from->n > 0) {
        if (!(v->items = pickle_alloc(p, from->n * sizeof *v->items)))
            return NULL;
        memcpy(v->items, from->items, from->n * sizeof *v->items);
        v->n = v->room = from->n;
    }
    return v;
}

static bool is_sizes(const struct value *v)
{
    if (!is_sequence(v))
        return false;
    for (uint32_t i = 0; i < v->n; i++)
        if (v->items[i]->kind != VALUE_INT)
            return false;
    return true;
}

static struct value *make_tensor(struct pickle *p, struct value *args)
{
    if (args->n < 4 || args->items[0]->kind != VALUE_STORAGE || args->items[1]->kind != VALUE_INT || !is_sizes(args->items[2]) ||
        !is_sizes(args->items[3]))
        return wrong_arguments(p, "a tensor");
    struct pickle_storage *s = &p->storages[args->items[0]->i];
    s->shared = s->used;
    s->used = true;
    struct value *v = pickle_value(p, VALUE_TENSOR);
    if (v) {
        v->items = args->items;
        v->n = 4;
    }
    return v;
}

/* Python 3 writes bytes for protocol 2 as the text of which each character is one of them. */
static struct value *make_bytes(struct pickle *p, const struct value *args)
{
    if (args->n != 2 || args->items[0]->kind != VALUE_TEXT || !value_is_text(args->items[1], "latin1"))
        return wrong_arguments(p, "bytes");
    const unsigned char *text = (const unsigned char *)args->items[0]->text;
    uint32_t n = args->items[0]->n, used = 0;
    char *bytes = pickle_alloc(p, n + 1u);
    for (uint32_t i = 0; bytes && i < n; i++) {
        if (text[i] >= 0x80 && (text[i] > 0xc3 || text[i] < 0xc2 || i + 1 == n || (text[i + 1] & 0xc0) != 0x80))
            return wrong_arguments(p, "bytes");
        bytes[used++] = (char)(text[i] < 0x80 ? text[i] : (text[i] & 3) << 6 | (text[i + 1] & 0x3f));
        i += text[i] >= 0x80;
    }
    struct value *v = bytes ? pickle_value(p, VALUE_BYTES) : NULL;
    if (v) {
        v->text = bytes;
        v->n = used;
    }
    return v;
}

static struct value *make_dtype(struct pickle *p, const struct value *args)
{
    struct value *v = args->n >= 1 && args->items[0]->kind == VALUE_TEXT ? pickle_value(p, VALUE_DTYPE) : NULL;

    if (args->n < 1 || args->items[0]->kind != VALUE_TEXT)
        return wrong_arguments(p, "a type of NumPy");
    if (v) {
        v->text = args->items[0]->text;
        v->n = args->items[0]->n;
    }
    return v;
}

static bool is_dtype(const struct value *v, const char *name, size_t size, const struct value *bytes)
{
    return same(v->text, v->n, name) && bytes->n == size;
}

static struct value *make_number(struct pickle *p, const struct value *args)
{
    if (args->n != 2 || args->items[0]->kind != VALUE_DTYPE || args->items[1]->kind != VALUE_BYTES)
        return wrong_arguments(p, "a number of NumPy");
    const struct value *type = args->items[0], *bytes = args->items[1];
    struct value *v = pickle_value(p, VALUE_OTHER);
    float f;
    int32_t i;

    if (v && is_dtype(type, "f8", 8, bytes)) {
        v->kind = VALUE_FLOAT;
        memcpy(&v->f, bytes->text, 8);
    } else if (v && is_dtype(type, "f4", 4, bytes)) {
        v->kind = VALUE_FLOAT;
        memcpy(&f, bytes->text, 4);
        v->f = (double)f;
    } else if (v && is_dtype(type, "i8", 8, bytes)) {
        v->kind = VALUE_INT;
        memcpy(&v->i, bytes->text, 8);
    } else if (v && is_dtype(type, "i4", 4, bytes)) {
        v->kind = VALUE_INT;
        memcpy(&i, bytes->text, 4);
        v->i = i;
    }
    return v;
}

struct value *global_reduce(struct pickle *p, const struct value *callee, struct value *args)
{
    if (p->look)
        return pickle_value(p, VALUE_OTHER);
    if (callee->kind != VALUE_GLOBAL || args->kind != VALUE_TUPLE) {
        pickle_fail(p, TL_ERR_FORMAT, "a call of what is no name, or without a tuple of arguments");
        return NULL;
    }
    switch ((enum meaning)callee->tag) {
    case DICTIONARY: return make_container(p, VALUE_DICT, args);
    case SEQUENCE: return make_container(p, VALUE_LIST, args);
    case BYTES: return args->n == 0 ? pickle_value(p, VALUE_BYTES) : wrong_arguments(p, "bytes");
    case SIZE: return args->n == 1 && is_sizes(args->items[0]) ? args->items[0] : wrong_arguments(p, "sizes");
    case TENSOR: return make_tensor(p, args);
    case PARAMETER: return args->n >= 1 && args->items[0]->kind == VALUE_TENSOR ? args->items[0] : wrong_arguments(p, "a parameter");
    case ENCODED: return make_bytes(p, args);
    case NUMPY_DTYPE: return make_dtype(p, args);
    case NUMPY_SCALAR: return make_number(p, args);
    case UNIMPORTANT: return pickle_value(p, VALUE_OTHER);
    case STORAGE_TYPE:
    case UNSUPPORTED:
    case UNKNOWN: break;
    }
    return wrong_arguments(p, "what is called");
}

tl_status global_build(struct pickle *p, const struct value *object, const struct value *state)
{
    /* The attributes of a dictionary are versions of layers, those of a tensor hooks: neither is part of a state. */
    if (p->look || object->kind == VALUE_DICT || object->kind == VALUE_TENSOR || object->kind == VALUE_OTHER)
        return TL_OK;
    if (object->kind != VALUE_DTYPE)
        return pickle_fail(p, TL_ERR_FORMAT, "the state of an object that has none is set");
    for (uint32_t i = 0; state->kind == VALUE_TUPLE && i < state->n; i++)
        if (value_is_text(state->items[i], ">"))
            return pickle_fail(p, TL_ERR_UNSUPPORTED, "a big-endian number");
    return TL_OK;
}

/* ---- Storages ---- */

static uint64_t hash_text(const char *text, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

/* Its place in the index, which is at most half full: of the storage of this key, or a free one. */
static uint32_t *storage_place(const struct pickle *p, const char *key, size_t n)
{
    size_t i = (size_t)hash_text(key, n) & (p->storage_index_size - 1);

    for (uint32_t at; (at = p->storage_index[i]); i = (i + 1) & (p->storage_index_size - 1))
        if (p->storages[at - 1].key_length == n && memcmp(p->storages[at - 1].key, key, n) == 0)
            break;
    return &p->storage_index[i];
}

static tl_status reserve_storage(struct pickle *p)
{
    if (p->n_storages < p->storages_room)
        return TL_OK;
    size_t room = p->storages_room ? p->storages_room * 2 : 64;
    tl_status s = pickle_charge(p, (room - p->storages_room) * (sizeof *p->storages + 2 * sizeof *p->storage_index));
    if (s != TL_OK)
        return s;
    struct pickle_storage *grown = realloc(p->storages, room * sizeof *grown);
    if (grown)
        p->storages = grown;
    uint32_t *index = grown ? calloc(room * 2, sizeof *index) : NULL;
    if (!index)
        return pickle_fail(p, TL_ERR_NOMEM, "no memory for its storages");
    free(p->storage_index);
    p->storage_index = index;
    p->storage_index_size = room * 2;
    p->storages_room = room;
    for (size_t i = 0; i < p->n_storages; i++)
        *storage_place(p, p->storages[i].key, p->storages[i].key_length) = (uint32_t)i + 1;
    return TL_OK;
}

const char *storage_type_name(const struct pickle_storage *s)
{
    return storage_types[s->type].name;
}

struct pickle_storage *pickle_storage_find(const struct pickle *p, const char *key, size_t n)
{
    uint32_t *place = p->storage_index_size ? storage_place(p, key, n) : NULL;

    return place && *place ? &p->storages[*place - 1] : NULL;
}

/* ("storage", type, key, place, number of elements[, a view of another storage]) */
struct value *global_storage(struct pickle *p, const struct value *id)
{
    if (p->look)
        return pickle_value(p, VALUE_OTHER);
    if (id->kind != VALUE_TUPLE || id->n < 5 || !value_is_text(id->items[0], "storage")) {
        bool module = id->kind == VALUE_TUPLE && id->n > 0 && value_is_text(id->items[0], "module");
        pickle_fail(p, module ? TL_ERR_UNSAFE : TL_ERR_FORMAT, module ? "the source text of a module; it is never run" : "a reference to what is no storage");
        return NULL;
    }
    const struct value *type = id->items[1], *key = id->items[2], *numel = id->items[4];
    if (type->kind != VALUE_GLOBAL || type->tag != STORAGE_TYPE || key->kind != VALUE_TEXT || numel->kind != VALUE_INT) {
        pickle_fail(p, TL_ERR_FORMAT, "a storage without a type, a key or a size");
        return NULL;
    }
    if (id->n > 5 && id->items[5]->kind != VALUE_NONE) {
        pickle_fail(p, TL_ERR_UNSUPPORTED, "a storage that is a view of another");
        return NULL;
    }
    if (reserve_storage(p) != TL_OK)
        return NULL;
    uint32_t *place = storage_place(p, key->text, key->n);
    struct pickle_storage s = {.key = key->text, .key_length = key->n, .numel = numel->i, .type = (uint8_t)type->i,
                               .dtype = (uint8_t)storage_types[type->i].dtype, .element_size = storage_types[type->i].size};
    if (*place && (p->storages[*place - 1].numel != s.numel || p->storages[*place - 1].type != s.type)) {
        pickle_fail(p, TL_ERR_FORMAT, "storage \"%.*s\" has two types or two sizes", (int)(key->n < 100 ? key->n : 100), key->text);
        return NULL;
    }
    if (!*place) {
        p->storages[p->n_storages++] = s;
        *place = (uint32_t)p->n_storages;
    }
    struct value *v = pickle_value(p, VALUE_STORAGE);
    if (v)
        v->i = *place - 1;
    return v;
}
