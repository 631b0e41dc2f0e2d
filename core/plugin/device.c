/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices: memory spaces with kernels. TELAR_BACKEND is a list, "cuda:1,cpu": the first entry that opens is the default
 * device. All backends that share host memory form one device, "cpu", whose kernel table is theirs in order with the
 * reference last. Nothing is opened before it is needed.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "core/internal.h"
#include "core/plugin/loader.h"
#include "core/run/plan.h"

enum { MAX_DEVICES = 32 };

#define META "meta"

static struct {
    pthread_mutex_t lock;
    device *list[MAX_DEVICES];
    int n;
    _Atomic(device *) host;
    _Atomic(device *) meta;
    _Atomic(device *) preferred;
    char *wanted;      /* what tl_set_backend() said; beats the variable */
    bool host_members; /* the host's kernel tables are gathered */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What tl_device_begin() said on this thread; NULL: the process's default. */
static HOT_TLS device *thread_default;

void device_lock(device *d)
{
    if (!d->host)
        pthread_mutex_lock(&d->queue);
}

void device_unlock(device *d)
{
    if (!d->host)
        pthread_mutex_unlock(&d->queue);
}

/* ---- Opening --------------------------------------------------------------------------------------------------------------- */

static void close_member(struct member *m)
{
    if (m->backend->stream_close)
        m->backend->stream_close(m->stream);
    m->backend->device_close(m->device);
    free((void *)(uintptr_t)m->name);
}

static bool cannot_open(const char *name, int index, const char *why)
{
    tl_fail(TL_ERR_PLUGIN, "backend \"%s\": device %d: %s", name, index, why);
    return false;
}

static bool is_counted(const struct tl_backend *b, const char *name, int index)
{
    int count = 0;
    tl_status s = b->device_count(&count);
    if (s != TL_OK)
        tl_fail(TL_ERR_DEVICE, "backend \"%s\" cannot count its devices (%s)", name, tl_status_name(s));
    else if (count < 0)
        tl_fail(TL_ERR_PLUGIN, "backend \"%s\": device_count says %d", name, count);
    else if (count == 0)
        tl_fail(TL_ERR_DEVICE, "backend \"%s\" finds no device here", name);
    else if (index < 0 || index >= count)
        tl_fail(TL_ERR_DEVICE, "backend \"%s\" has %d device%s, numbered from 0: there is no number %d", name, count, count == 1 ? "" : "s",
                index);
    else
        return true;
    return false;
}

/* Open device `index` of a backend; false and an error. */
static bool open_member(const char *name, int index, struct member *m)
{
    char why[300];
    const struct tl_backend *b = tl_plugin_open("backend", name, TL_BACKEND_ABI);
    if (!b || !is_counted(b, name, index))
        return false;
    *m = (struct member){.backend = b};
    tl_status s = b->device_open(index, &m->device);
    if (s != TL_OK) {
        tl_fail(TL_ERR_DEVICE, "backend \"%s\" cannot open device %d (%s)", name, index, tl_status_name(s));
        return false;
    }
    if (!m->device)
        return cannot_open(name, index, "device_open returned TL_OK without a device");
    if (device_flaw(m->device, b, why, sizeof why)) {
        b->device_close(m->device);
        return cannot_open(name, index, why);
    }
    if (b->stream_open && (s = b->stream_open(m->device, &m->stream)) != TL_OK) {
        b->device_close(m->device);
        tl_fail(TL_ERR_DEVICE, "backend \"%s\" cannot open a stream on device %d (%s)", name, index, tl_status_name(s));
        return false;
    }
    if (!(m->name = strdup(name))) {
        close_member(m);
        tl_fail(TL_ERR_NOMEM, "out of memory: a device");
        return false;
    }
    backend_warn_of_idle_kernels(b, name);
    return true;
}

static device *new_device(const char *name, bool host)
{
    process_init();
    if (state.n == MAX_DEVICES) {
        tl_fail(TL_ERR_LIMIT, "more than %d devices are open", MAX_DEVICES);
        return NULL;
    }
    device *d = calloc(1, sizeof *d);
    if (!d || !(d->memory = memory_new(d))) {
        free(d);
        tl_fail(TL_ERR_NOMEM, "out of memory: a device");
        return NULL;
    }
    snprintf(d->name, sizeof d->name, "%s", name);
    d->host = host;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&d->queue, &recursive);
    pthread_mutexattr_destroy(&recursive);
    state.list[state.n++] = d;
    return d;
}

static device *host_locked(void)
{
    device *d = atomic_load(&state.host);
    if (!d && (d = new_device("cpu", true)))
        atomic_store(&state.host, d);
    return d;
}

/* Kernel lists are built from the members; a new member makes them stale. Another thread may be walking the old list, so
 * it is kept until shutdown; this happens once or twice in a process. */
static void forget_kernels(device *d)
{
    for (int i = 0; i < MAX_OPS; i++) {
        struct bound_kernel *old = atomic_exchange(&d->kernels[i], NULL);
        struct bound_kernel **more = old ? realloc(d->retired, (d->n_retired + 1) * sizeof *more) : NULL;
        if (more) {
            d->retired = more;
            d->retired[d->n_retired++] = old;
        }
    }
}

static bool add_host_member(device *host, const char *name)
{
    for (int i = 0; i < host->n_members; i++)
        if (strcmp(host->members[i].name, name) == 0)
            return true;
    struct member m;
    if (host->n_members == MAX_BACKENDS || !open_member(name, 0, &m))
        return false;
    if (!(m.device->flags & TL_DEVICE_HOST_MEMORY)) {
        close_member(&m);
        return false;
    }
    host->members[host->n_members++] = m;
    forget_kernels(host);
    return true;
}

device *device_open_alone(const char *backend)
{
    char name[64];
    snprintf(name, sizeof name, "%.40s alone", backend);
    struct member m;
    pthread_mutex_lock(&state.lock);
    device *d = NULL;
    for (int i = 0; i < state.n && !d; i++)
        if (strcmp(state.list[i]->name, name) == 0)
            d = state.list[i];
    if (!d && open_member(backend, 0, &m)) {
        d = new_device(name, (m.device->flags & TL_DEVICE_HOST_MEMORY) != 0);
        if (d) {
            d->alone = true;
            d->members[d->n_members++] = m;
        } else {
            close_member(&m);
        }
    }
    pthread_mutex_unlock(&state.lock);
    return d;
}

static const char *wanted_list(void)
{
    return state.wanted ? state.wanted : env_get("TELAR_BACKEND", false);
}

/* One entry of the list, "cuda:1": opens it; NULL and an error. */
static device *open_entry(const char *entry)
{
    char name[64];
    const char *colon = strchr(entry, ':');
    int length = colon ? (int)(colon - entry) : (int)strlen(entry);
    snprintf(name, sizeof name, "%.*s", length, entry);
    if (strcmp(name, META) == 0) {
        tl_fail(TL_ERR_DEVICE, "\"" META "\" is a device without a backend, on which nothing is computed: name it for single tensors, or in TL_DEVICE");
        return NULL;
    }
    int index = 0;
    if (colon) {
        char *end;
        long i = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end || i < 0 || i > 1024) {
            tl_fail(TL_ERR_ARGUMENT, "device \"%s\": expected NAME or NAME:NUMBER", entry);
            return NULL;
        }
        index = (int)i;
    }
    char full[64];
    snprintf(full, sizeof full, "%.40s:%d", name, index);
    for (int i = 0; i < state.n; i++)
        if (strcmp(state.list[i]->name, full) == 0)
            return state.list[i];
    device *host = host_locked();
    if (!host)
        return NULL;
    for (int i = 0; i < host->n_members; i++)
        if (strcmp(host->members[i].name, name) == 0)
            return host;
    struct member m;
    if (!open_member(name, index, &m))
        return NULL;
    if (m.device->flags & TL_DEVICE_HOST_MEMORY) {
        if (host->n_members == MAX_BACKENDS) {
            close_member(&m);
            tl_fail(TL_ERR_LIMIT, "more than %d host backends", MAX_BACKENDS);
            return NULL;
        }
        host->members[host->n_members++] = m;
        forget_kernels(host);
        return host;
    }
    device *d = new_device(full, false);
    if (!d) {
        close_member(&m);
        return NULL;
    }
    d->members[d->n_members++] = m;
    return d;
}

/* The next entry of a list, without the blanks around it; NULL at the end. Cuts the list up. */
static char *next_entry(char **rest)
{
    char *entry;
    while ((entry = strsep(rest, ","))) {
        while (isspace((unsigned char)*entry))
            entry++;
        size_t n = strlen(entry);
        while (n && isspace((unsigned char)entry[n - 1]))
            entry[--n] = 0;
        if (n)
            return entry;
    }
    return NULL;
}

/* What was named and does not open is left out, but never silently. */
static void tell_left_out(const char *failures, device *first, bool quiet)
{
    if (failures[0])
        tl_log_message(quiet ? TL_LOG_DEBUG : TL_LOG_WARN, "device", "left out: %s; %s goes on", failures,
                       first->n_members ? first->members[0].name : first->name);
}

/* Open what the list names, in order. The first that opens is the default. With `quiet`, failures are expected. An error that the
 * caller has not taken yet is none of a backend's. */
static device *open_list(const char *list, bool quiet)
{
    char failures[900] = "";
    size_t used = 0;
    device *first = NULL;
    struct tl_error earlier;
    error_take(&earlier);
    char *copy = strdup(list), *rest = copy;
    for (char *entry; copy && (entry = next_entry(&rest));) {
        device *d = open_entry(entry);
        if (d) {
            if (!first)
                first = d;
            /* Later host backends join the host's table; later devices open when they are named. */
            if (!d->host)
                break;
            continue;
        }
        if (used < sizeof failures)
            used += (size_t)snprintf(failures + used, sizeof failures - used, "%s%s", used ? "; " : "", tl_error_message());
        /* Nobody asked for it by name, and a machine may well have no such device; but a cpu backend that is there and does not open
         * leaves the slow reference, which must not go unseen. */
        if (quiet && strcmp(entry, "cpu") == 0 && tl_error_code() != TL_ERR_NOT_FOUND)
            tl_log_message(TL_LOG_WARN, "device", "%s: %s; computing with the slow reference", entry, tl_error_message());
        tl_error_clear();
    }
    free(copy);
    if (first) {
        tell_left_out(failures, first, quiet);
        error_put(&earlier);
        return first;
    }
    if (earlier.code != TL_OK)
        error_put(&earlier);
    else
        tl_fail(TL_ERR_DEVICE, "no backend opens (asked for \"%s\"): %s", list, failures[0] ? failures : "the list is empty");
    return NULL;
}

/* The host's kernels: host backends that the list names, else cpu, and the reference behind them. */
static bool open_host(device *host)
{
    if (host->n_members == 0) {
        if (!add_host_member(host, "cpu"))
            tl_log_message(TL_LOG_INFO, "device", "cpu: %s", tl_error_message());
        tl_error_clear();
    }
    bool there = add_host_member(host, "reference");
    if (!there && host->n_members == 0)
        return false;
    tl_error_clear();
    state.host_members = true;
    return true;
}

static bool gather_host(void)
{
    device *host = host_locked();
    if (!host)
        return false;
    if (state.host_members)
        return host->n_members > 0;
    struct tl_error earlier;
    error_take(&earlier);
    bool there = open_host(host);
    error_put(&earlier);
    return there;
}

static device *default_locked(void)
{
    device *d = atomic_load(&state.preferred);
    if (d)
        return d;
    const char *list = wanted_list();
    d = list ? open_list(list, false) : open_list("cuda,cpu,reference", true);
    if (!d)
        return NULL;
    if (d->host && !gather_host())
        return NULL;
    atomic_store(&state.preferred, d);
    return d;
}

/* A list that is not about the host still needs the host's tensors. */
device *device_default(void)
{
    if (UNLIKELY(thread_default != NULL))
        return thread_default;
    device *d = atomic_load_explicit(&state.preferred, memory_order_acquire);
    if (LIKELY(d != NULL))
        return d;
    pthread_mutex_lock(&state.lock);
    d = default_locked();
    pthread_mutex_unlock(&state.lock);
    return d;
}

device *device_host(void)
{
    device *d = atomic_load_explicit(&state.host, memory_order_acquire);
    if (LIKELY(d != NULL))
        return d;
    pthread_mutex_lock(&state.lock);
    d = host_locked();
    pthread_mutex_unlock(&state.lock);
    return d;
}

device *device_meta(void)
{
    device *d = atomic_load_explicit(&state.meta, memory_order_acquire);
    if (LIKELY(d != NULL))
        return d;
    pthread_mutex_lock(&state.lock);
    d = atomic_load(&state.meta);
    if (!d && (d = new_device(META, false))) {
        d->valueless = true;
        atomic_store_explicit(&state.meta, d, memory_order_release);
    }
    pthread_mutex_unlock(&state.lock);
    return d;
}

device *device_find(const char *name)
{
    if (forked("devices"))
        return NULL;
    if (!name)
        return device_default();
    if (strcmp(name, "cpu") == 0 || strcmp(name, "cpu:0") == 0)
        return device_host();
    if (strcmp(name, META) == 0 || strcmp(name, META ":0") == 0)
        return device_meta();
    pthread_mutex_lock(&state.lock);
    device *d = open_entry(name);
    pthread_mutex_unlock(&state.lock);
    return d;
}

/* The order of host kernels follows the list. */
static void order_members(device *d, const char *list)
{
    char *copy = strdup(list), *rest = copy;
    int at = 0;
    for (char *entry; copy && (entry = next_entry(&rest));) {
        size_t n = strcspn(entry, ":");
        for (int i = at; i < d->n_members; i++)
            if (strlen(d->members[i].name) == n && strncmp(d->members[i].name, entry, n) == 0) {
                struct member m = d->members[i];
                memmove(&d->members[at + 1], &d->members[at], (size_t)(i - at) * sizeof m);
                d->members[at++] = m;
                break;
            }
    }
    free(copy);
    forget_kernels(d);
    state.host_members = false;
    gather_host();
}

tl_status tl_set_backend(const char *list)
{
    if (!list)
        return tl_fail(TL_ERR_ARGUMENT, "set_backend: the list is NULL");
    pthread_mutex_lock(&state.lock);
    device *old = atomic_load(&state.preferred);
    device *d = open_list(list, false);
    if (d) {
        if (d->host)
            order_members(d, list);
        free(state.wanted);
        state.wanted = strdup(list);
        atomic_store(&state.preferred, d);
    } else {
        atomic_store(&state.preferred, old);
    }
    pthread_mutex_unlock(&state.lock);
    return d ? TL_OK : tl_error_code();
}

const char *tl_default_device(void)
{
    device *d = device_default();
    return d ? d->name : NULL;
}

const char *tl_backend_name(void)
{
    device *d = device_default();
    return !d ? NULL : d->n_members ? d->members[0].name : d->valueless ? d->name : NULL;
}

struct tl_device_scope tl_device_begin(const char *name)
{
    struct tl_device_scope scope = {.before = thread_default};
    device *d = device_find(name);
    if (!d)
        return scope;
    thread_default = d;
    scope.on = 1;
    scope.begun = true;
    return scope;
}

void tl_device_end(struct tl_device_scope *scope)
{
    if (scope && scope->begun)
        thread_default = scope->before;
}

/* ---- Kernels and synchronisation --------------------------------------------------------------------------------------------- */

static struct bound_kernel *build_kernels(device *d, const char *name)
{
    size_t n = 0;
    for (int pass = 0;; pass++) {
        struct bound_kernel *list = pass ? calloc(n + 1, sizeof *list) : NULL;
        if (pass && !list) {
            tl_fail(TL_ERR_NOMEM, "out of memory: a kernel table");
            return NULL;
        }
        n = 0;
        for (int i = 0; i < d->n_members; i++)
            for (const struct tl_kernel *const *k = d->members[i].backend->kernels; *k; k++)
                if (strcmp((*k)->op, name) == 0) {
                    if (list)
                        list[n] = (struct bound_kernel){*k, d->members[i].device, d->members[i].stream, d->members[i].name,
                                                        d->members[i].backend};
                    n++;
                }
        if (pass)
            return list;
    }
}

const struct bound_kernel *device_kernels(device *d, int op_id, const char *name)
{
    struct bound_kernel *list = atomic_load_explicit(&d->kernels[op_id], memory_order_acquire);
    if (LIKELY(list != NULL))
        return list;
    pthread_mutex_lock(&state.lock);
    list = atomic_load(&d->kernels[op_id]);
    if (!list) {
        if (d->host && !d->alone && !state.host_members && (!default_locked() || !gather_host())) {
            pthread_mutex_unlock(&state.lock);
            tl_fail(TL_ERR_DEVICE, "no backend opens for the host: neither cpu nor reference (see `telar doctor`)");
            return NULL;
        }
        list = build_kernels(d, name);
        atomic_store_explicit(&d->kernels[op_id], list, memory_order_release);
    }
    pthread_mutex_unlock(&state.lock);
    return list;
}

void device_drain(device *d)
{
    struct tl_error callers, late;
    if (d->host)
        return;
    struct plan *done = plans_take_retired(d);
    error_take(&callers);
    device_lock(d);
    for (int i = 0; i < d->n_members; i++) {
        tl_status s = d->members[i].backend->sync(d->members[i].stream);
        if (s != TL_OK)
            tl_fail(s, "%s: an earlier operation failed", d->name);
        error_take(&late);
        if (d->late.code == TL_OK)
            d->late = late;
    }
    device_unlock(d);
    error_put(&callers);
    plans_free(done);
}

tl_status device_sync(device *d)
{
    if (d->host)
        return TL_OK;
    device_drain(d);
    device_lock(d);
    struct tl_error late = d->late;
    d->late = (struct tl_error){0};
    device_unlock(d);
    return late.code == TL_OK ? TL_OK : tl_fail(late.code, "%s", late.message);
}

tl_status tl_synchronize(const char *name)
{
    if (name) {
        device *d = device_find(name);
        return d ? device_sync(d) : tl_error_code();
    }
    tl_status s = TL_OK;
    for (int i = 0; i < state.n && s == TL_OK; i++)
        s = device_sync(state.list[i]);
    return s;
}

void device_drain_all(void)
{
    pthread_mutex_lock(&state.lock);
    for (int i = 0; i < state.n; i++)
        device_drain(state.list[i]);
    pthread_mutex_unlock(&state.lock);
}

void device_shutdown(void)
{
    pthread_mutex_lock(&state.lock);
    for (int i = 0; i < state.n; i++) {
        device *d = state.list[i];
        if (d->late.code != TL_OK)
            tl_log_message(TL_LOG_WARN, "device", "%s: an error that nobody asked for: %s", d->name, d->late.message);
        memory_delete(d->memory, d);
        for (int k = 0; k < MAX_OPS; k++)
            free(atomic_load(&d->kernels[k]));
        for (size_t r = 0; r < d->n_retired; r++)
            free(d->retired[r]);
        free(d->retired);
        for (int m = 0; m < d->n_members; m++)
            close_member(&d->members[m]);
        pthread_mutex_destroy(&d->queue);
        free(d);
        state.list[i] = NULL;
    }
    free(state.wanted);
    state.wanted = NULL;
    state.n = 0;
    atomic_store(&state.host, NULL);
    atomic_store(&state.meta, NULL);
    thread_default = NULL;
    state.host_members = false;
    atomic_store(&state.preferred, NULL);
    pthread_mutex_unlock(&state.lock);
    loader_shutdown();
}
