/* SPDX-License-Identifier: Apache-2.0
 *
 * telar: train, run and examine networks from the command line. This file only finds the command; commands.c says what
 * there is.
 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

int failed(void)
{
    fflush(stdout);
    fprintf(stderr, "telar: %s\n", tl_error_message()[0] ? tl_error_message() : "failed without a reason");
    return EXIT_FAILED;
}

static int print_version(void)
{
    printf("telar %s\n", tl_version_string());
    return EXIT_OK;
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
    else if (code == EXIT_OK)
        code = v.command->run(&v);
    invocation_free(&v);
    return code;
}

int main(int argc, char **argv)
{
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
