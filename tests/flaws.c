/* SPDX-License-Identifier: Apache-2.0
 *
 * Backends that break their contract after they were opened: each flaw is named, none crashes, and none becomes somebody else's error.
 * The test starts itself once for each, since a plugin is opened once in a process.
 */
#include <sys/stat.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/telar-flaws-XXXXXX";

/* One call on the backend, and one that has nothing to do with it. */
static int run(const char *list)
{
    if (tl_set_backend(list) != TL_OK) {
        printf("%s\n", tl_error_message());
        return 0;
    }
    TL_SCOPE
    {
        tl_tensor *x = tl_ones(TL_SHAPE(300), (struct tl_options){0});
        tl_tensor *y = x ? tl_cumsum(x, 0) : NULL;
        double last = y ? tl_item(tl_select(y, 0, 299)) : 0;
        printf("%s\n", tl_error_message()[0] ? tl_error_message() : last == 300 ? "300" : "another number");
        tl_error_clear();
        tl_mm(tl_ones(TL_SHAPE(2, 3), (struct tl_options){.device = "cpu"}), tl_ones(TL_SHAPE(2, 3), (struct tl_options){.device = "cpu"}));
        printf("%s\n", tl_error_message());
    }
    return 0;
}

static void said_by(const char *program, const char *flaw, const char *list, const char *part)
{
    char command[1400], text[32000];
    snprintf(command, sizeof command, "TELAR_PLUGIN_PATH='%s' TELAR_CHECK=memory TELAR_BACKEND='%s' FLAW=%s %s 2>&1", root, list, flaw, program);
    FILE *f = popen(command, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    ok(f && pclose(f) == 0, "%s: the program goes on", flaw);
    contains(text, part, "%s: and is told what is wrong", flaw);
}

static void said(const char *self, const char *flaw, const char *list, const char *part)
{
    char program[700];
    snprintf(program, sizeof program, "'%s' '%s'", self, list);
    said_by(program, flaw, list, part);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run(argv[1]);
    char path[600], from[600];
    if (!mkdtemp(root))
        return skip_all("no temporary folder");
    snprintf(path, sizeof path, "%s/backends", root);
    snprintf(from, sizeof from, "%s/tests/broken/.libs/flawed.so", TEST_BUILDDIR);
    if (mkdir(path, 0755) != 0)
        bail_out("no folder");
    snprintf(path, sizeof path, "%s/backends/flawed.so", root);
    if (symlink(from, path) != 0)
        bail_out("the backend cannot be linked");
    static const char *const alone[][2] = {
        {"none", "300\nmm: cannot multiply"},
        {"negative", "device_count says -1"},
        {"uncounted", "cannot count its devices (DEVICE)"},
        {"unopened", "cannot open device 0 (DEVICE)"},
        {"no-device", "device 0: device_open returned TL_OK without a device"},
        {"device-size", "device 0: struct_size is too small"},
        {"alignment-0", "alignment is not a power of two of at least 64"},
        {"alignment-48", "alignment is not a power of two of at least 64"},
        {"alignment-4096", "alignment is over 64"},
        {"no-handle", "alloc returned TL_OK without a handle"},
        {"largest", "one block has at most 1000"},
        {"half-a-stream", "stream_open, stream_close and sync go together"},
        {"op-null", "kernel 0: op is NULL"},
        {"run-null", "kernel 0 (cumsum): run is NULL"},
        {"maker-null", "kernel 0 (cumsum): maker is NULL"},
        {"kernel-size", "kernel 0: its struct_size is 0"},
        {"with-plan", "kernel 0 (add): it has a prepare()"},
        {"unstrided", "kernel 0 (add): it lacks TL_KERNEL_STRIDED"},
        {"op-typo", "kernel 0 (flawed:cumsum) is never called: there is no op \"cumsumm\""},
        {"op-alias", "is never called: the op mm comes to kernels as matmul"},
        {"status-77", "cumsum: the kernel flawed:cumsum returned 77, which is no tl_status"},
        {"wordless", "cumsum: the kernel flawed:cumsum failed with DEVICE and no message"},
        {"fails-but-ok", "cumsum: the kernel flawed:cumsum called fail() but returned TL_OK: it does not feel well"},
        {"fails-but-ok", "\nmm: cannot multiply"},
        {"overrun-output", "flawed:cumsum wrote 0 bytes before and 4 after output 0, which has 1200 bytes"},
        {"overrun-workspace", "0 bytes before and 1 after its workspace, which has 100 bytes"},
        {"underrun-workspace", "1 bytes before and 0 after its workspace"},
    };
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        said(argv[0], alone[i][0], "flawed,reference", alone[i][1]);
    /* The program telar closes what it opened; and doctor says the same as everybody. */
    said_by("'" TEST_BUILDDIR "/cli/telar' backends", "closes", "flawed,reference", "flawed: device closed\nflawed: closed\n");
    said_by("'" TEST_BUILDDIR "/cli/telar' doctor", "alignment-48", "flawed,reference", "0: cannot be used: alignment is not a power of two");
    said_by("'" TEST_BUILDDIR "/cli/telar' doctor", "no-device", "flawed,reference", "0: cannot be used: device_open returned TL_OK without");
    said_by("'" TEST_BUILDDIR "/cli/telar' doctor", "maker-null", "flawed,reference", "BAD  backend  flawed");
    said_by("TELAR_LOG=+kernel '" TEST_BUILDDIR "/cli/telar' doctor", "none", "flawed,reference", "add on cpu: reference took it");
    said(argv[0], "no-device", "flawed,reference", "left out: backend \"flawed\": device 0");
    said(argv[0], "no-device", "flawed", "no backend opens (asked for \"flawed\"): backend \"flawed\": device 0");
    snprintf(path, sizeof path, "rm -rf '%s'", root);
    if (system(path) != 0)
        diag("the temporary folder stays");
    return done_testing();
}
