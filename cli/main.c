/* SPDX-License-Identifier: Apache-2.0
 *
 * telar: train, run and examine networks from the command line. This file only finds the command; commands.c says what
 * there is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int failed(void)
{
    fflush(stdout);
    fputs("telar: ", stderr);
    print_harmless(stderr, tl_error_message()[0] ? tl_error_message() : "failed without a reason", 2000);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

static int print_version(void)
{
    printf("telar %s\n", tl_version_string());
    return EXIT_OK;
}

/* GNU OpenMP's threads wait awake for 300,000 rounds before they sleep. Where others keep the cores busy, they keep off the very
 * thread that they wait for: a training step took 130 ms instead of 12. 1000 rounds are as fast on idle cores. The OpenMP library
 * read its environment before main() began, hence a new beginning, which cannot come twice; failing that, it is as it was. */
static void let_waiting_threads_sleep(char **argv)
{
    if (!getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT") && setenv("GOMP_SPINCOUNT", "1000", 0) == 0)
        execv("/proc/self/exe", argv);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return print_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    static struct invocation v;
    int code = parse(argc, argv, &v);
    if (code == EXIT_OK && v.set.help)
        print_help(stdout, v.command);
    else if (code == EXIT_OK && v.set.version)
        code = print_version();
    else if (code == EXIT_OK) {
        if (v.command->computes)
            let_waiting_threads_sleep(argv);
        code = v.command->run(&v);
    }
    invocation_free(&v);
    return code;
}

/* A standard stream that the caller closed (telar … >&-) leaves its number to the next file that is opened, which would then get
 * the stream's text: a checkpoint, for instance. Opened the wrong way round, /dev/null fails as the closed stream does. */
static void occupy_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return;
}

int main(int argc, char **argv)
{
    occupy_streams();
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is then told as any failure to write */
    int code = run(argc, argv);
    /* A result that could not be written (a full disk, a closed pipe) is a failure. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "telar: cannot write the output: %s\n", strerror(errno));
        code = code ? code : EXIT_FAILED;
    }
    /* What was computed is written: now plugins may close what they keep open. */
    tl_shutdown();
    return code;
}
