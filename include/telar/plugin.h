/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/plugin.h>: what every plugin exports, and what the host gives it.
 *
 * A plugin is a shared object with one constant *data* symbol, telar_plugin. Data, so that none of its
 * code runs before it has been judged. The loader checks, in this order: the file (regular, absolute path,
 * not writable by others) → dlopen(RTLD_NOW | RTLD_LOCAL) → the symbol → magic → struct_size → kind and
 * name against the folder and file name → abi → open(). `telar doctor` prints every verdict.
 *
 * Plugins of models, data sets and formats define it with one line, TL_MODEL_PLUGIN(), TL_DATA_PLUGIN() or
 * TL_FORMAT_PLUGIN() of the header of their kind. A backend, whose open() has work to do, writes it out:
 *
 *     const struct tl_plugin telar_plugin = {
 *         .magic = TL_PLUGIN_MAGIC, .struct_size = sizeof(struct tl_plugin), .abi = TL_BACKEND_ABI,
 *         .kind = "backend", .name = "mine", .version = "1.0", .summary = "what it is, in a line",
 *         .open = mine_open, .close = mine_close,
 *     };
 *
 * The file is named NAME.so and lies in a folder named after its kind: backends/, models/, formats/, data/.
 *
 * From version 1 of its table on, a kind only grows: structs get new members at their end, guarded by struct_size, and no value
 * is renumbered. Entries of arrays (options, weights) cannot grow; they have room for that.
 */
#ifndef TELAR_PLUGIN_H
#define TELAR_PLUGIN_H

#include <telar/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** "TLAR", little endian. */
#define TL_PLUGIN_MAGIC UINT32_C(0x52414c54)
/** Name of the symbol that every plugin exports. */
#define TL_PLUGIN_SYMBOL "telar_plugin"

/** Versions of the tables of models, data sets and formats; that of backends is in <telar/backend.h>. */
#define TL_MODEL_ABI 1
#define TL_DATA_ABI 1
#define TL_FORMAT_ABI 1

/** Services of the host for plugins. Kept for the life of the process; append only. Backends link against
 *  nothing of Telar: this table is all they have. The others link libtelar (formats) or libtelar-nn as well (models, data sets). */
struct tl_host {
    uint32_t struct_size;
    uint32_t reserved;

    /** Set the calling thread's error and return `code`, so that `return host->fail(…)` reads well.
     *  The first error of a call wins: a second is ignored until the caller has taken the first. */
    tl_status (*fail)(tl_status code, const char *format, ...) TL_PRINTF(2, 3);

    /** Write one log line for `component`, if TELAR_LOG lets that level through. */
    void (*log)(tl_log_level level, const char *component, const char *format, ...) TL_PRINTF(3, 4);

    /** Would log() print it? Ask before building an expensive line. */
    bool (*log_enabled)(tl_log_level level, const char *component);

    /** Threads that kernels should use (TELAR_NUM_THREADS, or the cores that this process may use). At least 1. */
    int (*num_threads)(void);

    /** Fetch `key` from the on-disk cache of `component`: the bytes (free() them) and their number, or NULL when
     *  there are none, the file is damaged, or it belongs to another machine or version. Never fails loudly. */
    void *(*cache_get)(const char *component, const char *key, size_t *size);

    /** Store bytes under `key`, atomically and with a checksum. A failure is logged, not returned. */
    void (*cache_put)(const char *component, const char *key, const void *data, size_t size);
};

/** The exported symbol's type. This struct is frozen. */
struct tl_plugin {
    uint32_t magic;       /**< TL_PLUGIN_MAGIC */
    uint32_t struct_size; /**< sizeof(struct tl_plugin) in the plugin's build; the host accepts >= what it needs */
    uint32_t abi;         /**< version of the table of its kind: TL_BACKEND_ABI, TL_MODEL_ABI, … */
    uint32_t reserved;    /**< 0 */
    const char *kind;     /**< "backend", "model", "format" or "data" */
    const char *name;     /**< the file's name without .so */
    const char *version;
    const char *summary; /**< one line for listings */

    /** Called once, before anything else of the plugin, from one thread. Puts the table of its kind into *iface
     *  (it must stay valid until close) or fills *err and returns its code. While open() runs, nothing of Telar may be called
     *  except through `host`, even by a plugin that links its libraries: the loader holds its lock. Required. */
    tl_status (*open)(const struct tl_host *host, const void **iface, struct tl_error *err);

    /** Called by tl_shutdown(), which the program telar calls at its end and others may not; never from an exit handler. The object
     *  stays mapped. Optional. */
    void (*close)(const void *iface);
};

/** Defines telar_plugin with an open() that has nothing to do but to give a constant table: what TL_MODEL_PLUGIN(), TL_DATA_PLUGIN() and
 *  TL_FORMAT_PLUGIN() are made of. Stands at a file's end, outside of functions. */
#define TL_PLUGIN(kind_, abi_, name_, version_, summary_, table_)                                          \
    static tl_status tl_plugin_open_(const struct tl_host *host, const void **iface, struct tl_error *err) \
    {                                                                                                      \
        (void)host;                                                                                        \
        (void)err;                                                                                         \
        *iface = (table_);                                                                                 \
        return TL_OK;                                                                                      \
    }                                                                                                      \
    const struct tl_plugin telar_plugin = {TL_PLUGIN_MAGIC, sizeof(struct tl_plugin), abi_, 0, kind_, name_, \
                                           version_, summary_, tl_plugin_open_, NULL}

/** What a plugin defines. Declared here so that it is exported even where symbols are hidden by default. */
extern TL_PUBLIC const struct tl_plugin telar_plugin;

static_assert(offsetof(struct tl_plugin, kind) == 16, "tl_plugin is frozen");
static_assert(offsetof(struct tl_plugin, open) == 16 + 4 * sizeof(void *), "tl_plugin is frozen");
static_assert(sizeof(struct tl_plugin) == 16 + 6 * sizeof(void *), "tl_plugin is frozen");

#ifdef __cplusplus
}
#endif
#endif
