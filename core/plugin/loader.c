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

enum { MAX_PLUGINS = 512, MAX_PATHS = 64, MAX_REMARKS = 256 };

static const struct {
    const char *kind, *folder;
} kinds[] = {{"backend", "backends"}, {"model", "models"}, {"format", "formats"}, {"data", "data"}};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct candidate {
    struct tl_plugin_info info;
    const struct tl_plugin *plugin;
    const void *iface;
    bool warned;
    char verdict[1100];
};

/* A folder or file that is searched, and what is odd about it. */
struct searched {
    char *path;
    const char *verdict; /* NULL: nothing */
};

static struct {
    pthread_mutex_t lock;
    bool scanned;
    struct candidate *list[MAX_PLUGINS];
    size_t n;
    struct searched paths[MAX_PATHS];
    size_t n_paths;
    char *remarks[MAX_REMARKS];
    size_t n_remarks;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Search ---------------------------------------------------------------------------------------------------------- */

static void add_path(const char *path, const char *verdict)
{
    if (state.n_paths < MAX_PATHS && (state.paths[state.n_paths].path = strdup(path)))
        state.paths[state.n_paths++].verdict = verdict;
}

static void remark(const char *format, ...) TL_PRINTF(1, 2);
static void remark_list(const char *format, va_list args)
{
    char *text;
    if (state.n_remarks < MAX_REMARKS && vasprintf(&text, format, args) >= 0)
        state.remarks[state.n_remarks++] = text;
}

static void remark(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    remark_list(format, args);
    va_end(args);
}

static bool is_shared_object(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, ".so") == 0;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void add_candidate(const char *kind, const char *path)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t n = strlen(base);
    if (!is_shared_object(base) || state.n == MAX_PLUGINS)
        return;
    char name[NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)(n - 3 < NAME_MAX ? n - 3 : NAME_MAX), base);
    for (size_t i = 0; i < state.n; i++) {
        if (strcmp(state.list[i]->info.kind, kind) != 0 || strcmp(state.list[i]->info.name, name) != 0)
            continue;
        if (strcmp(state.list[i]->info.path, path) != 0) /* an earlier folder has it */
            remark("%s hides %s", state.list[i]->info.path, path);
        return;
    }
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

static const char *kind_of_folder(const char *name)
{
    for (int k = 0; k < KINDS; k++)
        if (strcmp(name, kinds[k].folder) == 0)
            return kinds[k].kind;
    return NULL;
}

#define FOLDERS "backends/, models/, formats/ and data/"

/* Shared objects that a folder holds. */
static int count_objects(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, by_name), count = 0;
    for (int i = 0; i < n; i++) {
        count += is_shared_object(entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return count;
}

/* Files that look like plugins, but lie where none is looked for: beside the folders of the kinds, or in a misspelt one. */
static void scan_strays(const char *root)
{
    struct dirent **entries;
    int n = scandir(root, &entries, NULL, by_name);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char path[PATH_MAX];
        bool fits = snprintf(path, sizeof path, "%s/%s", root, name) < (int)sizeof path;
        if (fits && name[0] != '.' && !kind_of_folder(name) && is_folder(path)) {
            if (count_objects(path) > 0)
                remark("%s/ is not looked into: plugins lie in folders called " FOLDERS, path);
        } else if (fits && is_shared_object(name)) {
            remark("%s is left out: plugins lie in folders called " FOLDERS, path);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* A folder of the search: with sub-folders by kind, or itself named after a kind. */
static void scan_root(const char *root)
{
    char trimmed[PATH_MAX];
    snprintf(trimmed, sizeof trimmed, "%s", root);
    for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
        trimmed[n - 1] = 0;
    const char *base = strrchr(trimmed, '/') ? strrchr(trimmed, '/') + 1 : trimmed;
    bool some = false;
    for (int k = 0; k < KINDS; k++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", trimmed, kinds[k].folder) < (int)sizeof path && is_folder(path)) {
            scan_folder(kinds[k].kind, path);
            some = true;
        }
    }
    if (!some && kind_of_folder(base)) {
        scan_folder(kind_of_folder(base), trimmed);
        add_path(root, NULL);
        return;
    }
    add_path(root, some ? NULL : "has none of the folders " FOLDERS);
    scan_strays(trimmed);
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
    const char *kind = kind_of_folder(base);
    if (kind && is_shared_object(path))
        add_candidate(kind, path);
    add_path(path, !is_shared_object(path) ? "is no folder, and its name does not end in .so"
                   : !kind ? "is left out: its folder is not called backends, models, formats or data"
                           : NULL);
}

static void scan_item(const char *item)
{
    struct stat st;
    if (!item[0])
        return;
    if (item[0] != '/')
        add_path(item, "is ignored: not an absolute path");
    else if (stat(item, &st) != 0)
        add_path(item, errno == ENOENT ? "does not exist" : "cannot be looked at");
    else if (S_ISDIR(st.st_mode))
        scan_root(item);
    else
        scan_file(item);
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
        while (copy && rest)
            scan_item(strsep(&rest, ":"));
        free(copy);
    }
#ifdef TL_BUILD_PLUGIN_DIR
    if (in_build_tree()) {
        scan_item(TL_BUILD_PLUGIN_DIR);
        return;
    }
#endif
#ifdef TL_PLUGIN_DIR
    scan_item(TL_PLUGIN_DIR);
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
    return strcmp(kind, "backend") == 0  ? TL_BACKEND_ABI
           : strcmp(kind, "model") == 0  ? TL_MODEL_ABI
           : strcmp(kind, "format") == 0 ? TL_FORMAT_ABI
                                         : TL_DATA_ABI;
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
    const char *flaw = strcmp(c->info.kind, "format") == 0 ? format_flaw(iface) : NULL;
    if (flaw)
        return refuse(c, TL_ERR_PLUGIN, "%s", flaw);
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
        if (list && found < capacity)
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

void tl_plugin_left_out(const char *kind, const char *name, const char *format, ...)
{
    pthread_mutex_lock(&state.lock);
    struct candidate *c = kind && name ? find(kind, name) : NULL;
    if (c && format && c->iface) {
        size_t used = c->info.status == TL_OK ? 0 : strlen(c->verdict);
        va_list args;
        va_start(args, format);
        if (used > 0 && used + 3 < sizeof c->verdict)
            used += (size_t)snprintf(c->verdict + used, sizeof c->verdict - used, "; ");
        if (used < sizeof c->verdict)
            vsnprintf(c->verdict + used, sizeof c->verdict - used, format, args);
        va_end(args);
        c->info.status = TL_ERR_PLUGIN;
        c->info.verdict = c->verdict;
    }
    bool first = c && !c->warned;
    if (first) {
        c->warned = true;
        tl_log_message(TL_LOG_WARN, kind, "%s is left out, wholly or in part: %s (see telar doctor)", name, c->info.verdict);
    }
    pthread_mutex_unlock(&state.lock);
}

void tl_plugin_remark_add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&state.lock);
    if (format)
        remark_list(format, args);
    pthread_mutex_unlock(&state.lock);
    va_end(args);
}

const char *tl_plugin_remark(size_t i)
{
    pthread_mutex_lock(&state.lock);
    scan();
    const char *text = i < state.n_remarks ? state.remarks[i] : NULL;
    pthread_mutex_unlock(&state.lock);
    return text;
}

const char *tl_plugin_path(size_t i, const char **verdict)
{
    pthread_mutex_lock(&state.lock);
    scan();
    const char *path = i < state.n_paths ? state.paths[i].path : NULL;
    if (verdict)
        *verdict = path ? state.paths[i].verdict : NULL;
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
        free(state.paths[i].path);
    for (size_t i = 0; i < state.n_remarks; i++)
        free(state.remarks[i]);
    state.n = state.n_paths = state.n_remarks = 0;
    state.scanned = false;
    pthread_mutex_unlock(&state.lock);
}
