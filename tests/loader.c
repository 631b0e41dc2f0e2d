/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin loader against the gallery of broken plugins, and against plain bad files: each refusal names the check
 * that failed, nothing of a plugin runs before it was judged, and a program goes on.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <telar/backend.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/telar-loader-XXXXXX";

static void put(const char *name, const char *bytes, size_t n, mode_t mode)
{
    char path[600];
    snprintf(path, sizeof path, "%s/backends/%s.so", root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        diag("cannot write %s", path);
    close(fd);
    chmod(path, mode);
}

/* The gallery is built beside this program; the loader wants it in a folder named after its kind. */
static void borrow(const char *built, const char *name)
{
    char from[600], to[600];
    snprintf(from, sizeof from, "%s/tests/%s.so", TEST_BUILDDIR, built);
    snprintf(to, sizeof to, "%s/backends/%s.so", root, name);
    if (symlink(from, to) != 0)
        diag("cannot link %s", to);
}

static void refused(const char *name, const char *part)
{
    ok(tl_plugin_open("backend", name, TL_BACKEND_ABI) == NULL, "%s: is refused", name);
    is_int(tl_error_code() != TL_OK, 1, "%s: with an error", name);
    contains(tl_error_message(), part, "%s: that names the check", name);
    tl_error_clear();
}

/* The first bytes of a good plugin: as far as its headers, or into its segments, where a dynamic linker that trusted the
 * headers would die. */
static void cut_short(const char *name, size_t length)
{
    static char bytes[16384];
    char path[600];
    snprintf(path, sizeof path, "%s/tests/broken/.libs/magic.so", TEST_BUILDDIR);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, bytes, length);
    close(fd);
    put(name, bytes, n > 0 ? (size_t)n : 0, 0644);
}

int main(void)
{
    char path[600];
    if (!mkdtemp(root)) {
        skip(1, "no temporary folder");
        return done_testing();
    }
    snprintf(path, sizeof path, "%s/backends", root);
    mkdir(path, 0755);
    static const char *const flaws[][2] = {{"magic", "magic"},          {"abi", "abi: version 8"},   {"size", "size"},
                                           {"name", "name: it says"},   {"kind", "kind: it says"},   {"open", "wrong phase"},
                                           {"silent", "PLUGIN"},        {"empty", "no table"},       {"dependency", "a_function_that_no_library_has"},
                                           {"nosymbol", "symbol"}};
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        snprintf(path, sizeof path, "broken/.libs/%s", flaws[i][0]);
        borrow(path, flaws[i][0]);
    }
    borrow("broken/.libs/slot", "slot");
    borrow("broken/.libs/short", "short");
    borrow("broken/.libs/memory", "memory");
    put("text", "this is not a shared object\n", 28, 0644);
    put("writable", "x", 1, 0666);
    snprintf(path, sizeof path, "%s/backends/folder.so", root);
    mkdir(path, 0755);
    cut_short("stub", 10);
    cut_short("headers", 900);
    cut_short("code", 4200);
    cut_short("segments", 9000);
    setenv("TELAR_PLUGIN_PATH", root, 1);

    struct tl_plugin_info list[64];
    size_t n = tl_plugins("backend", false, list, 64);
    ok(n >= 13, "listing finds the candidates without mapping any");
    for (size_t i = 0; i < n && i < 64; i++)
        if (strcmp(list[i].name, "magic") == 0)
            is_string(list[i].verdict, "not loaded", "and judges none");

    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++)
        refused(flaws[i][0], flaws[i][1]);
    refused("text", "dlopen");
    refused("writable", "writable by everybody");
    refused("folder", "not a regular file");
    refused("stub", "dlopen");
    refused("headers", "cut short: it has 900 bytes");
    refused("code", "cut short");
    refused("segments", "cut short");
    refused("nosuch", "there are:");
    refused("/nowhere/backends/x.so", "file:");

    ok(tl_set_backend("slot") != TL_OK, "a backend with a missing slot does not open");
    contains(tl_error_message(), "required slot device_close", "and the slot is named");
    tl_error_clear();
    ok(tl_set_backend("short") != TL_OK, "nor one with too short a table");
    contains(tl_error_message(), "16 bytes", "whose size is told");
    tl_error_clear();
    ok(tl_set_backend("memory") != TL_OK, "nor one whose device has memory of its own but no way to allocate it");
    contains(tl_error_message(), "required slot alloc is NULL, but its device has memory of its own", "which is said");
    tl_error_clear();
    ok(tl_set_backend("nosuch,reference") == TL_OK, "a list goes on to the next entry");
    is_string(tl_backend_name(), "reference", "which then is the default");
    ok(tl_plugin_open("backend", "reference", TL_BACKEND_ABI + 1) == NULL, "a table of another version is not handed out, though the plugin is open");
    contains(tl_error_message(), "is asked for", "the caller is told");
    tl_error_clear();
    ok(tl_plugin_open("format", "safetensors", 77) == NULL && tl_error_code() == TL_ERR_PLUGIN, "nor is one that is not open yet");
    tl_error_clear();
    ok(tl_plugin_open("format", "safetensors", 1) != NULL, "which is no verdict on the plugin");
    tl_error_clear();
    ok(tl_set_backend(" reference:0 , nosuch ") == TL_OK, "blanks and numbers in a list");
    tl_set_backend("cpu, reference"); /* where there is a cpu backend, it comes first now */
    tl_error_clear();
    ok(tl_set_backend(" reference:0 ,cpu") == TL_OK, "a list with blanks and a number");
    is_string(tl_backend_name(), "reference", "is in its own order");
    ok(tl_plugin_open(NULL, NULL, 1) == NULL && tl_error_code() == TL_ERR_ARGUMENT, "NULL names are an error");
    tl_error_clear();

    snprintf(path, sizeof path, "rm -rf '%s'", root);
    if (system(path) != 0)
        diag("the temporary folder stays");
    tl_shutdown();
    return done_testing();
}
