/* SPDX-License-Identifier: Apache-2.0
 *
 * One libFuzzer target for every reader of files (see build-aux/fuzz): the bytes become a file, which is read as a program reads it. The plugin
 * is built with the fuzzer's counters; the libraries are not. FUZZ_FILE is the file's name, whose ending chooses the plugin; with
 * FUZZ_DATA it is a data set, FUZZ_SET in front of its name, of which one batch is taken.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <telar/data.h>
#include <telar/dataset.h>
#include <telar/state.h>
#include <telar/telar.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char in_memory[] = "/dev/shm/telar-fuzz.XXXXXX", on_disk[] = "/tmp/telar-fuzz.XXXXXX", *folder = in_memory, path[200];

static void give_up(const char *what)
{
    fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
    _exit(2);
}

static void put(const char *name, const void *data, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || (size > 0 && fwrite(data, 1, size, f) != size) || fclose(f) != 0)
        give_up(path);
}

static void tidy(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    (void)!system(command);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (!mkdtemp(in_memory) && !mkdtemp(folder = on_disk))
        give_up(folder);
    atexit(tidy);
#ifdef FUZZ_IDX
    put("labels-idx1-ubyte", "\0\0\x08\1\0\0\0\2\1\0", 10); /* the pictures are what is fuzzed */
#endif
    return 0;
}

/* Every byte of a tensor is looked at, so that one that lies outside of memory is noticed. */
static void look(tl_tensor *t)
{
    size_t bytes = (size_t)tl_numel(t) * tl_dtype_size(tl_dtype_of(t));
    if (!t || tl_numel(t) > 1 << 20)
        return;
    void *copy = malloc(bytes + 1);
    if (copy && tl_copy_out(t, tl_dtype_of(t), copy, bytes) != TL_OK)
        abort(); /* a reader may not give what cannot be read */
    free(copy);
}

#ifdef FUZZ_DATA

#ifndef FUZZ_SET
#define FUZZ_SET "" /* the file's name tells which data set it is */
#endif

static void read_it(void)
{
    char name[300];
    snprintf(name, sizeof name, "%s%s", FUZZ_SET, path);
    tl_dataset *d = tl_data_open(name);
    tl_loader *l = d ? tl_loader_new(d, .batch_size = 4) : NULL;
    tl_tensor *batch[TL_MAX_FIELDS];
    if (l && tl_loader_start(l) == TL_OK && tl_loader_next(l, batch) == 1)
        look(batch[0]);
    tl_loader_free(l);
    tl_dataset_free(d);
}

#else

static void see(const char *name, bool known, void *ctx)
{
    *(size_t *)ctx += strlen(name) + known;
}

static void read_it(void)
{
    size_t seen = 0;
    tl_state *s = tl_state_load(path);
    if (!s && tl_error_code() == TL_OK)
        abort(); /* nor fail without saying why */
    for (size_t i = 0; i < tl_state_count(s); i++)
        look(tl_state_at(s, i));
    tl_state_free(s);
    tl_error_clear();
    tl_state_globals(path, see, &seen);
}

#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    put(FUZZ_FILE, data, size);
    TL_SCOPE read_it();
    tl_error_clear();
    return 0;
}
