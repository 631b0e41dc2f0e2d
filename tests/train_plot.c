/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of learning curves: both formats, hostile titles, one epoch, and every way to fail.
 */
#include <sys/stat.h>
#include <telar/nn.h>
#include <unistd.h>

#include "tests/tap.h"

/* The message is read after the call that may set it. */
#define check(call, ...)           \
    do {                           \
        const bool good_ = (call); \
        ok(good_, __VA_ARGS__);    \
    } while (0)

static char folder[] = "/tmp/telar-plot-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool begins_with(const char *path, const char *text)
{
    char head[512] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;
    if (f)
        fclose(f);
    return n > 100 && strstr(head, text) != NULL;
}

static bool file_has(const char *path, const char *text)
{
    static char all[1 << 20];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(all, 1, sizeof all - 1, f) : 0;
    if (f)
        fclose(f);
    all[n] = 0;
    return strstr(all, text) != NULL;
}

static tl_history *history_of(int epochs)
{
    tl_history *h = tl_history_new();
    tl_history_set_metric_name(h, "accuracy");
    for (int i = 1; i <= epochs; i++) {
        struct tl_epoch e = {i, i * 10, 1.0 / i, 0.1 / i, 1.2 / i, 0.1, 1 - 0.5 / i, 0.02, NAN, NAN, 0.1, 1};
        tl_history_add(h, &e);
    }
    return h;
}

static void test_pictures(void)
{
    tl_history *h = history_of(8), *one = history_of(1);
    check(tl_history_plot(h, in_folder("a.svg"), .title = "A run") == TL_OK && begins_with(in_folder("a.svg"), "<svg"), "svg: %s",
       tl_error_message());
    ok(file_has(in_folder("a.svg"), "A run") && file_has(in_folder("a.svg"), "accuracy"), "svg: title and metric are in it");
    check(tl_history_plot(h, in_folder("a.png")) == TL_OK && begins_with(in_folder("a.png"), "PNG"), "png: %s", tl_error_message());
    check(tl_history_plot(one, in_folder("b.svg"), .loss_only = true, .log_scale = true) == TL_OK, "one epoch, logarithmic: %s",
       tl_error_message());
    char spoiled[300];
    snprintf(spoiled, sizeof spoiled, "%s", in_folder("spoiled"));
    char title[1000];
    snprintf(title, sizeof title, "'; system('touch %s'); \" `touch %s`\nsystem('touch %s')\\", spoiled, spoiled, spoiled);
    check(tl_history_plot(h, in_folder("c.svg"), .title = title) == TL_OK, "a hostile title: %s", tl_error_message());
    ok(access(spoiled, F_OK) != 0, "a hostile title is only text");
    tl_error_clear();
    tl_history_free(h);
    tl_history_free(one);
}

static void test_failures(void)
{
    tl_history *h = history_of(3), *empty = tl_history_new();
    check(tl_history_plot(h, in_folder("a.gif")) == TL_ERR_ARGUMENT, "another ending: %s", tl_error_message());
    tl_error_clear();
    check(tl_history_plot(empty, in_folder("e.svg")) == TL_ERR_ARGUMENT, "no epochs: %s", tl_error_message());
    tl_error_clear();
    check(tl_history_plot(h, in_folder("none/a.svg")) == TL_ERR_IO, "no such folder: %s", tl_error_message());
    tl_error_clear();
    check(tl_history_plot(h, in_folder("w.svg"), .width = -3) == TL_ERR_ARGUMENT, "a negative width: %s", tl_error_message());
    tl_error_clear();
    check(tl_history_plot(NULL, in_folder("n.svg")) == TL_ERR_ARGUMENT, "no history: %s", tl_error_message());
    tl_error_clear();
    setenv("PATH", folder, 1);
    check(tl_history_plot(h, in_folder("p.svg")) == TL_ERR_UNSUPPORTED && strstr(tl_error_message(), "gnuplot"), "no gnuplot: %s",
       tl_error_message());
    tl_error_clear();
    FILE *fake = fopen(in_folder("gnuplot"), "w");
    fputs("#!/bin/sh\necho 'out of ink' >&2\nexit 3\n", fake);
    fclose(fake);
    chmod(in_folder("gnuplot"), 0700);
    check(tl_history_plot(h, in_folder("f.svg")) == TL_ERR_IO && strstr(tl_error_message(), "out of ink"), "gnuplot fails: %s",
       tl_error_message());
    tl_error_clear();
    ok(access(in_folder("f.svg"), F_OK) != 0, "a failure leaves no file");
    tl_history_free(h);
    tl_history_free(empty);
}

static bool there_is_gnuplot(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    if (there_is_gnuplot())
        test_pictures();
    else
        diag("there is no gnuplot: its pictures are not tested");
    test_failures();
    setenv("PATH", path, 1);
    free(path);
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ok(system(command) == 0, "clean up");
    return done_testing();
}
