/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine that runs a pickle's opcodes: a stack, marks on it, a memo of numbered values. Everything is bounded: each opcode makes at
 * most one value, opcodes are counted, memory is taken from a budget, text stays where it lies in the file, and lengths
 * are compared with what is left before anything is done with them. It does not recurse, so nesting costs nothing.
 */
#include "pickle.h"

#include "../common/bytes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

tl_status pickle_fail(const struct pickle *p, tl_status code, const char *format, ...)
{
    char words[700];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return tl_fail(code, "\"%.200s\": %s, byte %zu: %s", p->path, p->part, (size_t)(p->at - p->start), words);
}

/* ---- Memory ---- */

tl_status pickle_charge(struct pickle *p, size_t n)
{
    if (n > p->budget)
        return pickle_fail(p, TL_ERR_LIMIT, "it makes more values than a file of its size may");
    p->budget -= n;
    return TL_OK;
}

void *pickle_alloc(struct pickle *p, size_t n)
{
    enum { CHUNK = 1 << 16, LINK = 16 };

    n = (n + 7) & ~(size_t)7;
    if (p->chunk_size - p->chunk_used < n) {
        size_t size = n > CHUNK / 4 ? n + LINK : CHUNK;
        if (pickle_charge(p, size) != TL_OK)
            return NULL;
        unsigned char *chunk = malloc(size);
        if (!chunk) {
            pickle_fail(p, TL_ERR_NOMEM, "no memory for its values");
            return NULL;
        }
        memcpy(chunk, &p->chunk, sizeof p->chunk);
        p->chunk = chunk;
        p->chunk_size = size;
        p->chunk_used = LINK;
    }
    void *at = p->chunk + p->chunk_used;
    p->chunk_used += n;
    return at;
}

/* Make room for one more element of `size` bytes in *list; *list is malloc()ed. */
static tl_status grow(struct pickle *p, void **list, size_t *room, size_t n, size_t size)
{
    if (n < *room)
        return TL_OK;
    size_t more = n < 64 ? 64 : n * 2;
    tl_status s = pickle_charge(p, (more - *room) * size);
    if (s != TL_OK)
        return s;
    void *grown = realloc(*list, more * size);
    if (!grown)
        return pickle_fail(p, TL_ERR_NOMEM, "no memory for its values");
    memset((unsigned char *)grown + *room * size, 0, (more - *room) * size);
    *list = grown;
    *room = more;
    return TL_OK;
}

struct value *pickle_value(struct pickle *p, enum value_kind kind)
{
    struct value *v = pickle_alloc(p, sizeof *v);

    if (v)
        *v = (struct value){.kind = (uint8_t)kind};
    return v;
}

bool value_is_text(const struct value *v, const char *text)
{
    return v->kind == VALUE_TEXT && v->n == strlen(text) && memcmp(v->text, text, v->n) == 0;
}

void pickle_free(struct pickle *p)
{
    for (unsigned char *chunk = p->chunk, *before; chunk; chunk = before) {
        memcpy(&before, chunk, sizeof before);
        free(chunk);
    }
    for (size_t i = 0; i < p->n_storages; i++)
        tl_release(p->storages[i].tensor);
    free(p->storages);
    free(p->storage_index);
    free(p->stack);
    free(p->memo);
    free(p->marks);
    *p = (struct pickle){0};
}

/* ---- Stack ---- */

static tl_status push(struct pickle *p, struct value *v)
{
    if (!v)
        return tl_error_code();
    tl_status s = grow(p, (void **)&p->stack, &p->stack_room, p->depth, sizeof(struct value *));
    if (s == TL_OK)
        p->stack[p->depth++] = v;
    return s;
}

/* What lies above the newest mark may be taken; NULL and an error if there is nothing. */
static struct value *pop(struct pickle *p)
{
    if (p->depth > (p->n_marks ? p->marks[p->n_marks - 1] : 0))
        return p->stack[--p->depth];
    pickle_fail(p, TL_ERR_FORMAT, "a value is taken from an empty stack");
    return NULL;
}

static struct value *top(struct pickle *p)
{
    struct value *v = pop(p);

    p->depth += v != NULL;
    return v;
}

/* Values above the newest mark, which goes with them; NULL and an error. They stay readable until the next push. */
static struct value **pop_mark(struct pickle *p, size_t *n)
{
    static struct value *none[1]; /* where nothing was ever pushed, there is no stack */

    if (p->n_marks == 0) {
        pickle_fail(p, TL_ERR_FORMAT, "a mark is taken and none is set");
        return NULL;
    }
    size_t at = p->marks[--p->n_marks];
    *n = p->depth - at;
    p->depth = at;
    return p->stack ? p->stack + at : none;
}

/* n bytes of the file; NULL and an error. */
static const unsigned char *take(struct pickle *p, uint64_t n)
{
    if (n > (uint64_t)(p->end - p->at)) {
        pickle_fail(p, TL_ERR_TRUNCATED, "%" PRIu64 " bytes are wanted and %zu are left", n, (size_t)(p->end - p->at));
        return NULL;
    }
    p->at += n;
    return p->at - n;
}

/* A line, without its end. */
static const char *take_line(struct pickle *p, size_t *length)
{
    const unsigned char *begin = p->at, *end = p->at < p->end ? memchr(p->at, '\n', (size_t)(p->end - p->at)) : NULL;

    if (!end) {
        pickle_fail(p, TL_ERR_TRUNCATED, "a line does not end");
        return NULL;
    }
    *length = (size_t)(end - begin);
    p->at = end + 1;
    return (const char *)begin;
}

/* ---- Opcodes: constants ---- */

typedef tl_status handler(struct pickle *p, unsigned char op);

/* Small numbers, which are most, are made once. */
static tl_status push_int(struct pickle *p, int64_t i)
{
    struct value **small = i >= 0 && i < PICKLE_SMALL ? &p->small[i] : NULL, *v = small && *small ? *small : pickle_value(p, VALUE_INT);

    if (v)
        v->i = i;
    if (small)
        *small = v;
    return push(p, v);
}

static tl_status op_constant(struct pickle *p, unsigned char op)
{
    static struct value none = {.kind = VALUE_NONE}, no = {.kind = VALUE_BOOL}, yes = {.kind = VALUE_BOOL, .i = 1};

    return push(p, op == 'N' ? &none : op == 0x88 ? &yes : &no);
}

static tl_status op_int(struct pickle *p, unsigned char op)
{
    size_t n = op == 'J' ? 4 : op == 'M' ? 2 : 1;
    const unsigned char *b = take(p, n);

    if (!b)
        return tl_error_code();
    return push_int(p, op == 'J' ? (int32_t)load_le(b, 4) : (int64_t)load_le(b, n));
}

/* Whole numbers of any length; those over 64 bits are of no interest. */
static tl_status op_long(struct pickle *p, unsigned char op)
{
    const unsigned char *b = take(p, op == 0x8a ? 1 : 4);
    uint64_t n = b ? load_le(b, op == 0x8a ? 1 : 4) : 0;

    if (!b || !(b = take(p, n)))
        return tl_error_code();
    if (n > 8)
        return push(p, pickle_value(p, VALUE_OTHER));
    uint64_t bits = load_le(b, n);
    if (n > 0 && n < 8 && (b[n - 1] & 0x80))
        bits |= ~UINT64_C(0) << 8 * n;
    return push_int(p, (int64_t)bits);
}

static tl_status op_float(struct pickle *p, unsigned char op)
{
    const unsigned char *b = take(p, 8);
    struct value *v = b ? pickle_value(p, VALUE_FLOAT) : NULL;
    uint64_t bits = 0;

    (void)op;
    for (int i = 0; b && i < 8; i++) /* the one number that is big endian */
        bits = bits << 8 | b[i];
    if (v)
        memcpy(&v->f, &bits, sizeof bits);
    return push(p, v);
}

static tl_status push_text(struct pickle *p, enum value_kind kind, const unsigned char *b, uint64_t n)
{
    if (!b)
        return tl_error_code();
    if (n > UINT32_MAX)
        return pickle_fail(p, TL_ERR_LIMIT, "a text of %" PRIu64 " bytes", n);
    struct value *v = pickle_value(p, kind);
    if (v) {
        v->text = (const char *)b;
        v->n = (uint32_t)n;
    }
    return push(p, v);
}

/* Text and bytes after a length of 1, 4 or 8 bytes. */
static tl_status op_text(struct pickle *p, unsigned char op)
{
    size_t width = op == 'U' || op == 0x8c || op == 'C' ? 1 : op == 0x8d || op == 0x8e || op == 0x96 ? 8 : 4;
    bool bytes = op == 'B' || op == 'C' || op == 0x8e || op == 0x96;
    const unsigned char *b = take(p, width);

    uint64_t n = b ? load_le(b, width) : 0;
    return push_text(p, bytes ? VALUE_BYTES : VALUE_TEXT, b ? take(p, n) : NULL, n);
}

/* The text forms of the first protocol. */
static tl_status op_line(struct pickle *p, unsigned char op)
{
    size_t n = 0;
    char digits[40];
    const char *line = take_line(p, &n);

    if (!line)
        return tl_error_code();
    if (op == 'S' || op == 'V') {
        if (op == 'S' && n >= 2 && (line[0] == '\'' || line[0] == '"') && line[n - 1] == line[0]) {
            line++;
            n -= 2;
        }
        if (memchr(line, '\\', n) && !p->look)
            return pickle_fail(p, TL_ERR_UNSUPPORTED, "an escaped text of pickle's protocol 0; save with protocol 2 or later");
        return push_text(p, VALUE_TEXT, (const unsigned char *)line, n);
    }
    if (op == 'I' && n == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1'))
        return op_constant(p, line[1] == '1' ? 0x88 : 0x89);
    if (op == 'F' || n >= 20)
        return push(p, pickle_value(p, VALUE_OTHER));
    memcpy(digits, line, n);
    digits[n > 0 && digits[n - 1] == 'L' ? n - 1 : n] = '\0';
    char *end = digits;
    int64_t i = strtoll(digits, &end, 10);
    return *end || end == digits ? pickle_fail(p, TL_ERR_FORMAT, "\"%.30s\" is no number", digits) : push_int(p, i);
}

/* ---- Opcodes: containers ---- */

/* Add values at the end of a list, in place. */
static tl_status extend(struct pickle *p, struct value *list, struct value **items, size_t n)
{
    if (list->kind == VALUE_OTHER)
        return TL_OK;
    if ((size_t)list->n + n > list->room) {
        size_t room = ((size_t)list->n + n) * 3 / 2 + 4;
        struct value **grown = room < UINT32_MAX ? pickle_alloc(p, room * sizeof *grown) : NULL;
        if (!grown)
            return pickle_fail(p, TL_ERR_LIMIT, "a list of too many values");
        if (list->n > 0)
            memcpy(grown, list->items, list->n * sizeof *grown);
        list->items = grown;
        list->room = (uint32_t)room;
    }
    if (n > 0)
        memcpy(list->items + list->n, items, n * sizeof *items);
    list->n += (uint32_t)n;
    return TL_OK;
}

static struct value *collect(struct pickle *p, enum value_kind kind, struct value **items, size_t n)
{
    struct value *v = pickle_value(p, kind);

    if (v && n > 0) {
        v->items = n < UINT32_MAX ? pickle_alloc(p, n * sizeof *items) : NULL;
        if (!v->items)
            return NULL;
        memcpy(v->items, items, n * sizeof *items);
        v->n = v->room = (uint32_t)n;
    }
    return v;
}

static tl_status op_empty(struct pickle *p, unsigned char op)
{
    static struct value tuple = {.kind = VALUE_TUPLE};

    return push(p, op == ')' ? &tuple : pickle_value(p, op == '}' ? VALUE_DICT : VALUE_LIST));
}

static tl_status op_mark(struct pickle *p, unsigned char op)
{
    (void)op;
    tl_status s = grow(p, (void **)&p->marks, &p->marks_room, p->n_marks, sizeof *p->marks);
    if (s == TL_OK)
        p->marks[p->n_marks++] = p->depth;
    return s;
}

static tl_status even(const struct pickle *p, size_t n)
{
    return n % 2 ? pickle_fail(p, TL_ERR_FORMAT, "a dictionary with a key that has no value") : TL_OK;
}

/* What stands above the mark becomes a tuple, a list, a dictionary or a frozen set. */
static tl_status op_collect(struct pickle *p, unsigned char op)
{
    size_t n = 0;
    struct value **items = pop_mark(p, &n);
    tl_status s = !items ? tl_error_code() : op == 'd' ? even(p, n) : TL_OK;

    return s == TL_OK ? push(p, collect(p, op == 't' ? VALUE_TUPLE : op == 'd' ? VALUE_DICT : VALUE_LIST, items, n)) : s;
}

/* A tuple of the uppermost one, two or three. */
static tl_status op_tuple(struct pickle *p, unsigned char op)
{
    struct value *items[3];
    size_t n = op - 0x84u;

    for (size_t i = n; i-- > 0;)
        if (!(items[i] = pop(p)))
            return tl_error_code();
    return push(p, collect(p, VALUE_TUPLE, items, n));
}

static tl_status add(struct pickle *p, struct value **items, size_t n, enum value_kind kind)
{
    struct value *to = top(p);

    if (!to)
        return tl_error_code();
    if (to->kind != kind && to->kind != VALUE_OTHER)
        return pickle_fail(p, TL_ERR_FORMAT, "values are added to what is no %s", kind == VALUE_DICT ? "dictionary" : "list");
    return extend(p, to, items, n);
}

static tl_status op_add_one(struct pickle *p, unsigned char op)
{
    struct value *items[2];
    size_t n = op == 's' ? 2 : 1;

    for (size_t i = n; i-- > 0;)
        if (!(items[i] = pop(p)))
            return tl_error_code();
    return add(p, items, n, op == 's' ? VALUE_DICT : VALUE_LIST);
}

static tl_status op_add_all(struct pickle *p, unsigned char op)
{
    size_t n = 0;
    struct value **items = pop_mark(p, &n);
    tl_status s = !items ? tl_error_code() : op == 'u' ? even(p, n) : TL_OK;

    return s == TL_OK ? add(p, items, n, op == 'u' ? VALUE_DICT : VALUE_LIST) : s;
}

static tl_status op_pop(struct pickle *p, unsigned char op)
{
    size_t n = 0;

    if (op == '1' || (p->n_marks && p->marks[p->n_marks - 1] == p->depth))
        return pop_mark(p, &n) ? TL_OK : tl_error_code();
    return pop(p) ? TL_OK : tl_error_code();
}

static tl_status op_dup(struct pickle *p, unsigned char op)
{
    (void)op;
    return push(p, top(p));
}

/* ---- Opcodes: memo ---- */

static bool memo_number(struct pickle *p, unsigned char op, uint64_t *number)
{
    size_t n = op == 'h' || op == 'q' ? 1 : 4;
    char digits[24] = "";

    if (op == 'g' || op == 'p') {
        const char *line = take_line(p, &n);
        if (!line)
            return false;
        memcpy(digits, line, n < sizeof digits - 1 ? n : sizeof digits - 1);
        char *end = digits;
        *number = strtoull(digits, &end, 10);
        return (end != digits && !*end) || pickle_fail(p, TL_ERR_FORMAT, "\"%s\" is no number", digits) == TL_OK;
    }
    const unsigned char *b = take(p, n);
    if (b)
        *number = load_le(b, n);
    return b != NULL;
}

static tl_status op_get(struct pickle *p, unsigned char op)
{
    uint64_t i = 0;

    if (!memo_number(p, op, &i))
        return tl_error_code();
    if (i >= p->memo_room || !p->memo[i])
        return pickle_fail(p, TL_ERR_FORMAT, "value %" PRIu64 " of the memo is used and not set", i);
    return push(p, p->memo[i]);
}

static tl_status op_put(struct pickle *p, unsigned char op)
{
    uint64_t i = 0;
    struct value *v = top(p);

    if (!v || (op != 0x94 && !memo_number(p, op, &i)))
        return tl_error_code();
    if (op == 0x94)
        i = p->memo_next;
    if (i > p->opcodes)
        return pickle_fail(p, TL_ERR_FORMAT, "value %" PRIu64 " of the memo is set after %zu steps", i, p->opcodes);
    while (i >= p->memo_room) {
        tl_status s = grow(p, (void **)&p->memo, &p->memo_room, p->memo_room, sizeof(struct value *));
        if (s != TL_OK)
            return s;
    }
    p->memo[i] = v;
    if (i >= p->memo_next)
        p->memo_next = (size_t)i + 1;
    return TL_OK;
}

/* ---- Opcodes: names and calls ---- */

static tl_status op_global(struct pickle *p, unsigned char op)
{
    size_t n = 0, m = 0;
    const char *module = take_line(p, &n), *name = module ? take_line(p, &m) : NULL;

    (void)op;
    return name ? push(p, global_find(p, module, n, name, m)) : tl_error_code();
}

static tl_status op_stack_global(struct pickle *p, unsigned char op)
{
    const struct value *name = pop(p), *module = name ? pop(p) : NULL;

    (void)op;
    if (!module)
        return tl_error_code();
    if (name->kind != VALUE_TEXT || module->kind != VALUE_TEXT)
        return p->look ? push(p, global_find(p, "?", 1, "a name that is computed", 23))
                       : pickle_fail(p, TL_ERR_UNSAFE, "a name of code that is computed; it is never called");
    return push(p, global_find(p, module->text, module->n, name->text, name->n));
}

/* The arguments of the oldest forms of a call stand above a mark; op 'i' names the callee, 'o' has it first. */
static tl_status op_instance(struct pickle *p, unsigned char op)
{
    size_t n, m = 0, k = 0;
    const char *module = op == 'i' ? take_line(p, &m) : NULL, *name = module ? take_line(p, &k) : NULL;
    if (op == 'i' && !name)
        return tl_error_code();
    struct value **items = pop_mark(p, &n);
    if (!items)
        return tl_error_code();
    if (op == 'o' && n == 0)
        return pickle_fail(p, TL_ERR_FORMAT, "a call of nothing");
    struct value *args = collect(p, VALUE_TUPLE, op == 'o' ? items + 1 : items, op == 'o' ? n - 1 : n);
    struct value *callee = op == 'o' ? items[0] : global_find(p, module, m, name, k);
    return args && callee ? push(p, global_reduce(p, callee, args)) : tl_error_code();
}

static tl_status op_reduce(struct pickle *p, unsigned char op)
{
    if (op == 0x92 && !pop(p)) /* keyword arguments, of which no constructor of tensors has any */
        return tl_error_code();
    struct value *args = pop(p), *callee = args ? pop(p) : NULL;
    return callee ? push(p, global_reduce(p, callee, args)) : tl_error_code();
}

static tl_status op_build(struct pickle *p, unsigned char op)
{
    const struct value *state = pop(p), *object = state ? top(p) : NULL;

    (void)op;
    return object ? global_build(p, object, state) : tl_error_code();
}

static tl_status op_persistent(struct pickle *p, unsigned char op)
{
    size_t n = 0;

    if (op == 'P')
        return take_line(p, &n) ? p->look ? push(p, pickle_value(p, VALUE_OTHER)) : pickle_fail(p, TL_ERR_UNSUPPORTED, "a storage named by a line")
                                : tl_error_code();
    const struct value *id = pop(p);
    return id ? push(p, global_storage(p, id)) : tl_error_code();
}

static tl_status op_protocol(struct pickle *p, unsigned char op)
{
    const unsigned char *b = take(p, op == 0x80 ? 1 : 8); /* or a frame's length, which adds nothing */

    if (b && op == 0x80 && *b > 5)
        return pickle_fail(p, TL_ERR_UNSUPPORTED, "pickle's protocol %u; 0 to 5 are read", *b);
    return b ? TL_OK : tl_error_code();
}

static tl_status op_extension(struct pickle *p, unsigned char op)
{
    return pickle_fail(p, TL_ERR_UNSAFE, "opcode 0x%02x asks for code by a registered number; it is never called", op);
}

static handler *const handlers[256] = {
    ['N'] = op_constant, [0x88] = op_constant, [0x89] = op_constant, ['J'] = op_int, ['K'] = op_int, ['M'] = op_int, [0x8a] = op_long,
    [0x8b] = op_long, ['G'] = op_float, ['U'] = op_text, ['T'] = op_text, ['X'] = op_text, [0x8c] = op_text, [0x8d] = op_text, ['B'] = op_text,
    ['C'] = op_text, [0x8e] = op_text, [0x96] = op_text, ['S'] = op_line, ['V'] = op_line, ['I'] = op_line, ['L'] = op_line, ['F'] = op_line,
    [')'] = op_empty, ['}'] = op_empty, [']'] = op_empty, [0x8f] = op_empty, ['('] = op_mark, ['t'] = op_collect, ['l'] = op_collect,
    ['d'] = op_collect, [0x91] = op_collect, [0x85] = op_tuple, [0x86] = op_tuple, [0x87] = op_tuple, ['s'] = op_add_one, ['a'] = op_add_one,
    ['u'] = op_add_all, ['e'] = op_add_all, [0x90] = op_add_all, ['0'] = op_pop, ['1'] = op_pop, ['2'] = op_dup, ['h'] = op_get, ['j'] = op_get,
    ['g'] = op_get, ['q'] = op_put, ['r'] = op_put, ['p'] = op_put, [0x94] = op_put, ['c'] = op_global, [0x93] = op_stack_global,
    ['i'] = op_instance, ['o'] = op_instance, ['R'] = op_reduce, [0x81] = op_reduce, [0x92] = op_reduce, ['b'] = op_build,
    ['Q'] = op_persistent, ['P'] = op_persistent, [0x80] = op_protocol, [0x95] = op_protocol, [0x82] = op_extension, [0x83] = op_extension,
    [0x84] = op_extension,
};

/* ---- The whole ---- */

tl_status pickle_run(struct pickle *p, const char *path, const char *part, const unsigned char *data, size_t size, size_t budget,
                     tl_global_visit look, void *ctx)
{
    *p = (struct pickle){.path = path, .part = part, .start = data, .at = data, .end = data + size, .budget = budget, .look = look,
                         .look_ctx = ctx};
    for (tl_status s = TL_OK; s == TL_OK;) {
        const unsigned char *op = take(p, 1);
        if (!op)
            return tl_error_code();
        if (*op == '.')
            return (p->result = pop(p)) ? TL_OK : tl_error_code();
        if (p->opcodes++ >= PICKLE_MOST_OPCODES)
            return pickle_fail(p, TL_ERR_LIMIT, "it has more than %d opcodes", PICKLE_MOST_OPCODES);
        s = handlers[*op] ? handlers[*op](p, *op) : pickle_fail(p, TL_ERR_FORMAT, "0x%02x is no opcode of a pickle", *op);
    }
    return tl_error_code();
}
