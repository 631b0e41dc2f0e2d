/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin loader. Listing looks at folders and file names only and maps nothing. Opening checks, in this order: the
 * file, the dynamic linker, the symbol, magic, size, kind and name, ABI version, and only then calls the plugin's open().
 * Every refusal says which check failed, in words that `telar doctor` prints.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/internal.h"
#include "core/plugin/loader.h"

enum { MAX_PLUGINS = 512, MAX_PATHS = 64 };

static const struct {
    const char *kind, *folder;
} kinds[] = {{"backend", "backends"}, {"model", "models"}, {"format", "formats"}, {"data", "data"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct candidate {
    struct tl_plugin_info info;
    const struct tl_plugin *plugin;
    const void *iface;
    struct tl_error error;
    char verdict[1100];
};

static struct {
    pthread_mutex_t lock;
    bool scanned;
    struct candidate *list[MAX_PLUGINS];
    size_t n;
    char *paths[MAX_PATHS];
    size_t n_paths;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Search ---------------------------------------------------------------------------------------------------------- */

/* Does this library itself lie below the build tree? Then its plugins do too. */
static bool in_build_tree(void)
{
#ifdef TL_BUILD_DIR
    Dl_info info;
    char real[PATH_MAX], build[PATH_MAX];
    if (!dladdr((void *)(uintptr_t)&tl_plugin_open, &info) || !info.dli_fname || !realpath(info.dli_fname, real) ||
        !realpath(TL_BUILD_DIR, build))
        return false;
    size_t n = strlen(build);
    return strncmp(real, build, n) == 0 && real[n] == '/';
#else
    return false;
#endif
}

static void add_path(const char *path)
{
    if (state.n_paths < MAX_PATHS && (state.paths[state.n_paths] = strdup(path)))
        state.n_paths++;
}

static void add_candidate(const char *kind, const char *path)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t n = strlen(base);
    if (n < 4 || strcmp(base + n - 3, ".so") != 0 || state.n == MAX_PLUGINS)
        return;
    char name[NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)(n - 3 < NAME_MAX ? n - 3 : NAME_MAX), base);
    for (size_t i = 0; i < state.n; i++)
        if (strcmp(state.list[i]->info.kind, kind) == 0 && strcmp(state.list[i]->info.name, name) == 0)
            return; /* an earlier folder has it */
    struct candidate *c = calloc(1, sizeof *c);
    if (!c)
        return;
    c->info = (struct tl_plugin_info){.kind = kind, .name = strdup(name), .path = strdup(path), .verdict = "not loaded"};
    if (!c->info.name || !c->info.path) {
        free(c);
        return;
    }
    state.list[state.n++] = c;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void scan_folder(const char *kind, const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < (int)sizeof path)
            add_candidate(kind, path);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* A folder of the search: with sub-folders by kind, or itself named after a kind. */
static void scan_root(const char *root)
{
    const char *base = strrchr(root, '/') ? strrchr(root, '/') + 1 : root;
    for (int k = 0; k < KINDS; k++) {
        char path[PATH_MAX];
        if (strcmp(base, kinds[k].folder) == 0)
            scan_folder(kinds[k].kind, root);
        else if (snprintf(path, sizeof path, "%s/%s", root, kinds[k].folder) < (int)sizeof path)
            scan_folder(kinds[k].kind, path);
    }
}

/* A single file: its folder tells the kind. */
static void scan_file(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    const char *base = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder;
    for (int k = 0; k < KINDS; k++)
        if (strcmp(base, kinds[k].folder) == 0)
            add_candidate(kinds[k].kind, path);
}

static void scan(void)
{
    if (state.scanned)
        return;
    state.scanned = true;
    /* What the user names comes first, so that it can replace what is installed. */
    const char *list = env_get("TELAR_PLUGIN_PATH", true);
    if (list) {
        char *copy = strdup(list), *rest = copy;
        for (char *item; copy && (item = strsep(&rest, ":"));) {
            struct stat st;
            if (item[0] != '/') {
                if (item[0])
                    tl_log_message(TL_LOG_WARN, "loader", "TELAR_PLUGIN_PATH: \"%s\" is ignored: not an absolute path", item);
                continue;
            }
            add_path(item);
            if (stat(item, &st) == 0 && S_ISDIR(st.st_mode))
                scan_root(item);
            else
                scan_file(item);
        }
        free(copy);
    }
#ifdef TL_BUILD_PLUGIN_DIR
    if (in_build_tree()) {
        add_path(TL_BUILD_PLUGIN_DIR);
        scan_root(TL_BUILD_PLUGIN_DIR);
        return;
    }
#else
    (void)in_build_tree;
#endif
#ifdef TL_PLUGIN_DIR
    add_path(TL_PLUGIN_DIR);
    scan_root(TL_PLUGIN_DIR);
#endif
}

/* ---- Judgement --------------------------------------------------------------------------------------------------------- */

static tl_status refuse(struct candidate *c, tl_status code, const char *format, ...) TL_PRINTF(3, 4);
static tl_status refuse(struct candidate *c, tl_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->verdict, sizeof c->verdict, format, args);
    va_end(args);
    c->info.status = code;
    c->info.verdict = c->verdict;
    tl_log_message(TL_LOG_INFO, "loader", "%s %s (%s): %s", c->info.kind, c->info.name, c->info.path, c->verdict);
    return code;
}

static tl_status check_file(struct candidate *c)
{
    struct stat st;
    if (c->info.path[0] != '/')
        return refuse(c, TL_ERR_PLUGIN, "file: not an absolute path");
    if (stat(c->info.path, &st) != 0)
        return refuse(c, TL_ERR_PLUGIN, "file: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(c, TL_ERR_PLUGIN, "file: not a regular file");
    if (st.st_mode & S_IWOTH)
        return refuse(c, TL_ERR_PLUGIN, "file: writable by everybody (mode %o); anybody could replace it", (unsigned)(st.st_mode & 07777));
    if (!elf_is_whole(c->info.path, (uint64_t)st.st_size))
        return refuse(c, TL_ERR_TRUNCATED, "file: cut short: it has %lld bytes, fewer than its headers say", (long long)st.st_size);
    return TL_OK;
}

static uint32_t abi_of(const char *kind)
{
    if (strcmp(kind, "backend") == 0)
        return TL_BACKEND_ABI;
    return 1; /* models, formats and data sets are at their first version */
}

static tl_status check_plugin(struct candidate *c, const struct tl_plugin *p)
{
    if (p->magic != TL_PLUGIN_MAGIC)
        return refuse(c, TL_ERR_PLUGIN, "magic: %08x where %08x is expected; not a Telar plugin", p->magic, TL_PLUGIN_MAGIC);
    if (p->struct_size < sizeof(struct tl_plugin))
        return refuse(c, TL_ERR_PLUGIN, "size: its description has %u bytes, %zu are needed; built for an older Telar", p->struct_size,
                      sizeof(struct tl_plugin));
    if (!p->kind || !p->name || !p->open)
        return refuse(c, TL_ERR_PLUGIN, "description: kind, name or open is NULL");
    if (strcmp(p->kind, c->info.kind) != 0)
        return refuse(c, TL_ERR_PLUGIN, "kind: it says \"%s\" but lies in the folder for \"%s\"", p->kind, c->info.kind);
    if (strcmp(p->name, c->info.name) != 0)
        return refuse(c, TL_ERR_PLUGIN, "name: it says \"%s\" but its file is \"%s.so\"", p->name, c->info.name);
    if (p->abi != abi_of(p->kind))
        return refuse(c, TL_ERR_PLUGIN, "abi: version %u, this Telar has %u for %s plugins", p->abi, abi_of(p->kind), p->kind);
    return TL_OK;
}

static tl_status open_candidate(struct candidate *c)
{
    if (c->iface)
        return TL_OK;
    if (c->info.status != TL_OK)
        return c->info.status;
    tl_status s = check_file(c);
    if (s != TL_OK)
        return s;
    void *handle = dlopen(c->info.path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle)
        return refuse(c, TL_ERR_PLUGIN, "dlopen: %s", dlerror());
    const struct tl_plugin *p = dlsym(handle, TL_PLUGIN_SYMBOL);
    if (!p)
        return refuse(c, TL_ERR_PLUGIN, "symbol: it has no \"%s\"", TL_PLUGIN_SYMBOL);
    s = check_plugin(c, p);
    if (s != TL_OK)
        return s;
    c->info.version = p->version;
    c->info.summary = p->summary;
    struct tl_error error = {0};
    const void *iface = NULL;
    s = p->open(tl_host_table(), &iface, &error);
    error.message[sizeof error.message - 1] = 0;
    if (s != TL_OK)
        return refuse(c, s, "open: %s", error.message[0] ? error.message : tl_status_name(s));
    if (!iface)
        return refuse(c, TL_ERR_PLUGIN, "open: succeeded but gave no table");
    char why[400];
    if (strcmp(c->info.kind, "backend") == 0 && backend_flaw(iface, why, sizeof why))
        return refuse(c, TL_ERR_PLUGIN, "%s", why);
    c->plugin = p;
    c->iface = iface;
    c->info.verdict = "open";
    tl_log_message(TL_LOG_DEBUG, "loader", "%s %s %s: open (%s)", c->info.kind, c->info.name, p->version ? p->version : "",
                   c->info.path);
    return TL_OK;
}

/* ---- Public ------------------------------------------------------------------------------------------------------------- */

size_t tl_plugins(const char *kind, bool load, struct tl_plugin_info *list, size_t capacity)
{
    size_t found = 0;
    pthread_mutex_lock(&state.lock);
    scan();
    for (size_t i = 0; i < state.n; i++) {
        struct candidate *c = state.list[i];
        if (kind && strcmp(kind, c->info.kind) != 0)
            continue;
        if (load)
            open_candidate(c);
        if (found < capacity)
            list[found] = c->info;
        found++;
    }
    pthread_mutex_unlock(&state.lock);
    return found;
}

static struct candidate *find(const char *kind, const char *name)
{
    for (size_t i = 0; i < state.n; i++)
        if (strcmp(state.list[i]->info.kind, kind) == 0 &&
            (strcmp(state.list[i]->info.name, name) == 0 || strcmp(state.list[i]->info.path, name) == 0))
            return state.list[i];
    return NULL;
}

static void not_found(const char *kind, const char *name)
{
    char have[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < state.n && used < sizeof have; i++)
        if (strcmp(state.list[i]->info.kind, kind) == 0)
            used += (size_t)snprintf(have + used, sizeof have - used, "%s%s", used ? ", " : "", state.list[i]->info.name);
    tl_fail(TL_ERR_NOT_FOUND, "no %s plugin named \"%s\"; there are: %s (see `telar doctor`)", kind, name, have[0] ? have : "none at all");
}

const void *tl_plugin_open(const char *kind, const char *name, uint32_t abi)
{
    if (!kind || !name) {
        tl_fail(TL_ERR_ARGUMENT, "plugin_open: kind and name are needed");
        return NULL;
    }
    pthread_mutex_lock(&state.lock);
    scan();
    if (name[0] == '/' && !find(kind, name))
        add_candidate(kind, name);
    struct candidate *c = find(kind, name);
    const void *iface = NULL;
    if (!c) {
        not_found(kind, name);
    } else if (abi != abi_of(c->info.kind)) {
        tl_fail(TL_ERR_PLUGIN, "%s plugin \"%s\": version %u of its table is asked for, this Telar has %u", kind, c->info.name, abi,
                abi_of(c->info.kind));
    } else if (open_candidate(c) == TL_OK) {
        iface = c->iface;
    } else {
        tl_fail(c->info.status, "%s plugin \"%s\" (%s): %s", kind, c->info.name, c->info.path, c->info.verdict);
    }
    pthread_mutex_unlock(&state.lock);
    return iface;
}

const char *tl_plugin_path(size_t i)
{
    pthread_mutex_lock(&state.lock);
    scan();
    const char *path = i < state.n_paths ? state.paths[i] : NULL;
    pthread_mutex_unlock(&state.lock);
    return path;
}

void loader_shutdown(void)
{
    pthread_mutex_lock(&state.lock);
    for (size_t i = 0; i < state.n; i++) {
        struct candidate *c = state.list[i];
        if (c->iface && c->plugin->close)
            c->plugin->close(c->iface);
        free((void *)(uintptr_t)c->info.name);
        free((void *)(uintptr_t)c->info.path);
        free(c);
    }
    for (size_t i = 0; i < state.n_paths; i++)
        free(state.paths[i]);
    state.n = state.n_paths = 0;
    state.scanned = false;
    pthread_mutex_unlock(&state.lock);
}
