/* SPDX-License-Identifier: Apache-2.0
 *
 * The op registry: descriptors by name and by address. Ids are positions in this process only; they never leave it.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/internal.h"

enum { TABLE = 4 * MAX_OPS };

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    struct op_entry *list[MAX_OPS];
    atomic_int n;
    _Atomic(struct op_entry *) by_address[TABLE], by_name[TABLE];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static size_t hash_address(const void *p)
{
    return (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % TABLE;
}

static size_t hash_name(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return (size_t)(h >> 32) % TABLE;
}

struct op_entry *op_entry_of(const tl_op *op)
{
    for (size_t i = hash_address(op);; i = (i + 1) % TABLE) {
        struct op_entry *e = atomic_load_explicit(&registry.by_address[i], memory_order_acquire);
        if (!e || e->op == op)
            return e;
    }
}

struct op_entry *op_entry_named(const char *name)
{
    registry_init();
    for (size_t i = hash_name(name);; i = (i + 1) % TABLE) {
        struct op_entry *e = atomic_load_explicit(&registry.by_name[i], memory_order_acquire);
        if (!e || strcmp(e->op->name, name) == 0)
            return e;
    }
}

struct op_entry *op_entry_at(int id)
{
    return id >= 0 && id < atomic_load(&registry.n) ? registry.list[id] : NULL;
}

/* "max_pool2d" → "MaxPool2dBackward0", unless the descriptor says otherwise. */
static char *grad_name(const tl_op *op)
{
    if (op->grad_name)
        return strdup(op->grad_name);
    char text[96];
    size_t n = 0;
    bool up = true;
    for (const char *s = op->name; *s && n < 80; s++) {
        if (*s == '_') {
            up = true;
            continue;
        }
        text[n++] = up ? (char)toupper((unsigned char)*s) : *s;
        up = false;
    }
    snprintf(text + n, sizeof text - n, "Backward0");
    return strdup(text);
}

static tl_status check_descriptor(const tl_op *op, bool pointwise)
{
    if (!op || !op->name || !*op->name)
        return tl_fail(TL_ERR_ARGUMENT, "op_register: a descriptor needs a name");
    if (op->struct_size < offsetof(tl_op, batched_rank))
        return tl_fail(TL_ERR_ARGUMENT, "op_register: %s: struct_size is %zu; set it to sizeof(tl_op)", op->name, op->struct_size);
    if (op->n_out < 1 || op->n_out > 8 || (op->n_in < 0 && op->n_in != TL_OP_VARIADIC) || op->n_in > 16)
        return tl_fail(TL_ERR_ARGUMENT, "op_register: %s: %d inputs and %d outputs; at most 16 and 8", op->name, op->n_in, op->n_out);
    if ((op->flags & TL_OP_POINTWISE) && !pointwise)
        return tl_fail(TL_ERR_ARGUMENT, "op_register: %s: TL_OP_POINTWISE is for the ops of <telar/pointwise.def>; infer says how inputs broadcast",
                       op->name);
    if ((op->flags & TL_OP_VIEW) ? !op->view : !op->infer && !pointwise)
        return tl_fail(TL_ERR_ARGUMENT, "op_register: %s: %s is missing", op->name, (op->flags & TL_OP_VIEW) ? "view" : "infer");
    if ((op->flags & TL_OP_COMPOSITE) && !op->decompose)
        return tl_fail(TL_ERR_ARGUMENT, "op_register: %s: a composite op needs decompose", op->name);
    if (op->attrs_size > 512)
        return tl_fail(TL_ERR_ARGUMENT, "op_register: %s: attributes of %zu bytes; at most 512", op->name, op->attrs_size);
    return TL_OK;
}

static void insert(_Atomic(struct op_entry *) *table, size_t i, struct op_entry *e)
{
    while (atomic_load(&table[i]))
        i = (i + 1) % TABLE;
    atomic_store_explicit(&table[i], e, memory_order_release);
}

static struct op_entry *named_locked(const char *name)
{
    for (size_t i = hash_name(name);; i = (i + 1) % TABLE) {
        struct op_entry *e = atomic_load(&registry.by_name[i]);
        if (!e || strcmp(e->op->name, name) == 0)
            return e;
    }
}

tl_status op_register_entry(const tl_op *op, struct pointwise *pw, struct op_entry **entry)
{
    tl_status s = check_descriptor(op, pw != NULL);
    if (s != TL_OK)
        return s;
    pthread_mutex_lock(&registry.lock);
    int id = atomic_load(&registry.n);
    struct op_entry *e = NULL;
    if (named_locked(op->name))
        s = tl_fail(TL_ERR_ARGUMENT, "op_register: there is an op named \"%s\" already", op->name);
    else if (id == MAX_OPS)
        s = tl_fail(TL_ERR_LIMIT, "op_register: more than %d ops", MAX_OPS);
    else if (!(e = calloc(1, sizeof *e)) || !(e->grad_name = grad_name(op)))
        s = tl_fail(TL_ERR_NOMEM, "op_register: out of memory");
    if (s != TL_OK) {
        free(e);
        e = NULL;
    }
    if (e) {
        *e = (struct op_entry){.op = op, .id = id, .kernel_name = op->kernel ? op->kernel : op->name, .grad_name = e->grad_name, .pointwise = pw};
        if (op->struct_size > offsetof(tl_op, batched_rank)) /* younger than some plugins */
            e->batched_rank = op->batched_rank;
        if (op->struct_size > offsetof(tl_op, multiply_adds))
            e->multiply_adds = op->multiply_adds;
        e->kernel_id = id;
        registry.list[id] = e;
        insert(registry.by_address, hash_address(op), e);
        insert(registry.by_name, hash_name(op->name), e);
        atomic_store(&registry.n, id + 1);
    }
    pthread_mutex_unlock(&registry.lock);
    if (entry)
        *entry = e;
    return s;
}

#define TL_OP(name) extern const tl_op tl_op_##name;
#include "core/ops/ops.def"
#undef TL_OP

static void register_core(void)
{
    static const tl_op *const ops[] = {
#define TL_OP(name) &tl_op_##name,
#include "core/ops/ops.def"
#undef TL_OP
    };
    pointwise_register_all();
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (op_register_entry(ops[i], NULL, NULL) != TL_OK) {
            tl_log_message(TL_LOG_ERROR, "registry", "%s", tl_error_message());
            tl_error_clear();
        }
}

void registry_init(void)
{
    pthread_once(&registry.once, register_core);
}

tl_status tl_op_register(const tl_op *op)
{
    registry_init();
    return op_register_entry(op, NULL, NULL);
}

const tl_op *tl_op_find(const char *name)
{
    struct op_entry *e = name ? op_entry_named(name) : NULL;
    return e ? e->op : NULL;
}

const tl_op *tl_op_at(size_t i)
{
    registry_init();
    struct op_entry *e = i < MAX_OPS ? op_entry_at((int)i) : NULL;
    return e ? e->op : NULL;
}

void registry_shutdown(void)
{
    for (int i = 0; i < atomic_load(&registry.n); i++) {
        free((void *)(uintptr_t)registry.list[i]->grad_name);
        free(registry.list[i]);
        registry.list[i] = NULL;
    }
    atomic_store(&registry.n, 0);
    for (int i = 0; i < TABLE; i++) {
        atomic_store(&registry.by_address[i], NULL);
        atomic_store(&registry.by_name[i], NULL);
    }
}
