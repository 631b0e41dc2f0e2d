/* SPDX-License-Identifier: Apache-2.0
 *
 * The gallery of broken plugins: one source, built once for each flaw (-DFLAW_…), for the loader's tests. Its functions
 * must not be called before the description was judged: those that may not, end the process.
 */
#include <stdlib.h>
#include <string.h>
#include <telar/backend.h>

#ifdef FLAW_dependency
extern void a_function_that_no_library_has(void);
#endif

#if defined FLAW_magic
#define NAME "magic"
#elif defined FLAW_abi
#define NAME "abi"
#elif defined FLAW_size
#define NAME "size"
#elif defined FLAW_name
#define NAME "another"
#elif defined FLAW_kind
#define NAME "kind"
#elif defined FLAW_open
#define NAME "open"
#elif defined FLAW_silent
#define NAME "silent"
#elif defined FLAW_empty
#define NAME "empty"
#elif defined FLAW_slot
#define NAME "slot"
#elif defined FLAW_short
#define NAME "short"
#elif defined FLAW_memory
#define NAME "memory"
#elif defined FLAW_dependency
#define NAME "dependency"
#else
#define NAME "nosymbol"
#endif

static tl_status count(int *n)
{
    *n = 1;
    return TL_OK;
}

__attribute__((unused)) static tl_status never_index(int i, struct tl_device **d)
{
    (void)i, (void)d;
    exit(99);
}

/* Memory of its own, and no slot to get at it. */
__attribute__((unused)) static tl_status open_distant(int i, struct tl_device **d)
{
    static struct tl_device distant = {.struct_size = sizeof distant, .alignment = 64, .description = "far away"};
    (void)i;
    *d = &distant;
    return TL_OK;
}

__attribute__((unused)) static void close_distant(struct tl_device *d)
{
    (void)d;
}

__attribute__((unused)) static const struct tl_kernel *const no_kernels[] = {NULL};

__attribute__((unused)) static struct tl_backend table = {
#ifdef FLAW_short
    .struct_size = 16,
#else
    .struct_size = sizeof(struct tl_backend),
#endif
    .device_count = count,
#ifdef FLAW_memory
    .device_open = open_distant,
    .device_close = close_distant,
    .kernels = no_kernels,
#else
    .device_open = never_index,
#endif
};

static tl_status open_broken(const struct tl_host *host, const void **iface, struct tl_error *err)
{
    (void)host;
#if defined FLAW_open
    (void)iface;
    strcpy(err->message, "the moon is in the wrong phase");
    return err->code = TL_ERR_DEVICE;
#elif defined FLAW_silent
    (void)iface, (void)err;
    return TL_ERR_PLUGIN;
#elif defined FLAW_empty
    (void)err;
    *iface = NULL;
    return TL_OK;
#elif defined FLAW_slot || defined FLAW_short || defined FLAW_memory
    (void)err;
    *iface = &table;
    return TL_OK;
#elif defined FLAW_dependency
    (void)err, (void)iface;
    a_function_that_no_library_has();
    return TL_OK;
#else
    (void)iface, (void)err;
    exit(99); /* judged after being called */
#endif
}

#ifdef FLAW_nosymbol
#define telar_plugin some_other_symbol
#endif
__attribute__((visibility("default"))) const struct tl_plugin telar_plugin = {
#ifdef FLAW_magic
    .magic = 0x12345678,
#else
    .magic = TL_PLUGIN_MAGIC,
#endif
#ifdef FLAW_size
    .struct_size = 8,
#else
    .struct_size = sizeof(struct tl_plugin),
#endif
#ifdef FLAW_abi
    .abi = TL_BACKEND_ABI + 7,
#else
    .abi = TL_BACKEND_ABI,
#endif
#ifdef FLAW_kind
    .kind = "model",
#else
    .kind = "backend",
#endif
    .name = NAME,
    .version = "0",
    .summary = "broken on purpose",
    .open = open_broken,
};
