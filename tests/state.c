/* SPDX-License-Identifier: Apache-2.0
 *
 * State dictionaries, mapped files, and atomic writing: a disk that is full or a file that is too large leaves the old file as it was,
 * and no temporary file behind.
 */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <telar/state.h>
#include <telar/telar.h>

#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

static void check_dictionary(void)
{
    tl_state *s = tl_state_new();
    char name[40];

    TL_SCOPE
    {
        bool good = true;
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof name, "layer%d.weight", i);
            good = good && tl_state_add(s, name, tl_full(TL_SHAPE(2), i, HOST(TL_F32))) == TL_OK;
        }
        ok(good && tl_state_count(s) == 1000, "a thousand tensors");
        is_int(tl_state_add(s, "layer7.weight", tl_zeros(TL_SHAPE(1), HOST(TL_F32))), TL_ERR_ARGUMENT, "a name twice");
        contains(tl_error_message(), "layer7.weight", "is named");
        tl_error_clear();
        is_int(tl_state_add(s, "none", TL_NONE), TL_ERR_ARGUMENT, "TL_NONE is no tensor");
        tl_error_clear();
        is_int(tl_state_add(s, "null", NULL), TL_ERR_ARGUMENT, "nor is NULL");
        tl_error_clear();
    }
    bool order = true;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "layer%d.weight", i);
        order = order && strcmp(tl_state_name(s, (size_t)i), name) == 0 && tl_state_get(s, name) == tl_state_at(s, (size_t)i);
    }
    ok(order, "stay in order, and are found by name");
    is_float(((const float *)tl_data(tl_state_get(s, "layer999.weight")))[1], 999, 0, "and outlive their scope");
    ok(!tl_state_get(s, "other") && tl_error_code() == TL_OK, "one that is not there is no error");
    ok(!tl_state_at(s, 1000) && !tl_state_name(s, 1000), "nor is one past the end");

    ok(tl_state_set_note(s, "epoch", "3") == TL_OK && tl_state_set_note(s, "epoch", "4") == TL_OK, "a note is replaced");
    is_string(tl_state_note(s, "epoch"), "4", "by the later");
    ok(tl_state_note_count(s) == 1 && strcmp(tl_state_note_key(s, 0), "epoch") == 0 && !tl_state_note(s, "x"), "and is one");
    tl_state *copy = tl_state_clone(s), *empty = tl_state_new();
    ok(copy && tl_state_count(copy) == 1000 && strcmp(tl_state_name(copy, 7), "layer7.weight") == 0, "a copy has the same names");
    is_string(tl_state_note(copy, "epoch"), "4", "and notes");
    TL_SCOPE tl_fill_(tl_state_get(s, "layer7.weight"), -1);
    is_float(((const float *)tl_data(tl_state_get(copy, "layer7.weight")))[0], 7, 0, "and memory of its own");
    tl_state_swap(copy, empty);
    ok(tl_state_count(copy) == 0 && tl_state_count(empty) == 1000 && tl_state_note(empty, "epoch") && !tl_state_note(copy, "epoch"),
       "two states change places");
    ok(!tl_state_clone(NULL) && tl_error_code() == TL_ERR_ARGUMENT, "there is no copy of NULL");
    tl_error_clear();
    tl_state_free(empty);
    tl_state_free(copy);
    tl_state_free(s);
    tl_state_free(NULL);
}

static void check_map(void)
{
    struct tl_map map;
    char fifo[400];

    ok(tl_map_open(files_write("a", "hello", 5), &map) == TL_OK && map.size == 5 && memcmp(map.data, "hello", 5) == 0, "a mapped file");
    tl_map_close(&map);
    tl_map_close(&map);
    ok(tl_map_open(files_write("empty", "", 0), &map) == TL_OK && map.size == 0, "an empty one");
    tl_map_close(&map);
    is_int(tl_map_open(files_name("missing"), &map), TL_ERR_IO, "a missing one");
    contains(tl_error_message(), "missing\": No such file", "path and reason");
    tl_error_clear();
    is_int(tl_map_open(files_folder, &map), TL_ERR_IO, "a folder");
    contains(tl_error_message(), "is a folder", "is told so");
    tl_error_clear();
    snprintf(fifo, sizeof fifo, "%s", files_name("fifo"));
    mkfifo(fifo, 0600);
    is_int(tl_map_open(fifo, &map), TL_ERR_IO, "a pipe is refused, without waiting");
    tl_error_clear();
    is_int(tl_map_open("/dev/zero", &map), TL_ERR_IO, "a device too");
    tl_error_clear();
}

/* Tensors over a map: they keep it, writing them leaves the file, and what does not lie in it or is not aligned is no harm. */
static void check_from_map(void)
{
    float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    unsigned char file[40] = {0}, after[40] = {0};
    char path[400];
    struct tl_map map;

    memcpy(file + 8, values, sizeof values);
    snprintf(path, sizeof path, "%s", files_write("mapped", file, sizeof file));
    if (tl_map_open(path, &map) != TL_OK)
        bail_out("%s", tl_error_message());
    TL_SCOPE
    {
        tl_tensor *t = tl_from_map(&map, map.data + 8, TL_SHAPE(2, 4), TL_F32), *end = tl_from_map(&map, map.data + 40, TL_SHAPE(0), TL_F32);
        tl_tensor *odd = tl_from_map(&map, map.data + 7, TL_SHAPE(3), TL_F64);
        ok(t && tl_data(t) == (const void *)(map.data + 8), "a tensor lies in the map");
        ok(end && tl_numel(end) == 0, "none of its bytes may be wanted at its end");
        ok(odd && ((uintptr_t)tl_data(odd) & 7) == 0, "what is not aligned is copied");
        ok(!tl_from_map(&map, map.data + 9, TL_SHAPE(2, 4), TL_F32) && tl_error_code() == TL_ERR_TRUNCATED, "a byte too many is an error");
        tl_error_clear();
        ok(!tl_from_map(&map, map.data, TL_SHAPE(INT64_MAX, 4), TL_F32) && tl_error_code() == TL_ERR_LIMIT, "so is a size that overflows");
        tl_error_clear();
        tl_map_close(&map);
        ok(((const float *)tl_data(t))[7] == 8, "the map's memory outlives its closing");
        ((float *)tl_data_mut(t))[0] = 77;
    }
    FILE *f = fopen(path, "rb");
    ok(f && fread(after, 1, sizeof after, f) == sizeof after && memcmp(file, after, sizeof file) == 0, "writing to the tensor leaves the file");
    if (f)
        fclose(f);
}

/* ---- Atomic writing ---- */

static bool holds(const char *path, const char *text)
{
    char buffer[100] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(buffer, 1, sizeof buffer - 1, f) : 0;

    if (f)
        fclose(f);
    return n == strlen(text) && memcmp(buffer, text, n) == 0;
}

/* No "*.tmp" in the folder? */
static bool tidy(void)
{
    DIR *dir = opendir(files_folder);
    bool found = false;

    for (struct dirent *e; dir && (e = readdir(dir));)
        found = found || strstr(e->d_name, ".tmp");
    if (dir)
        closedir(dir);
    return !found;
}

static void check_atomic(void)
{
    struct tl_atomic_file f;
    char path[400], link[400];
    struct stat st;

    snprintf(path, sizeof path, "%s", files_name("weights"));
    ok(tl_atomic_begin(&f, path) == TL_OK && fputs("first", f.file) >= 0, "a new file begins");
    ok(access(path, F_OK) != 0, "it is not there yet");
    ok(tl_atomic_commit(&f) == TL_OK && holds(path, "first") && tidy(), "and then it is");

    chmod(path, 0640);
    ok(tl_atomic_begin(&f, path) == TL_OK && fputs("second", f.file) >= 0 && holds(path, "first"), "a second version begins");
    tl_atomic_abort(&f);
    ok(holds(path, "first") && tidy(), "given up, it leaves the first");
    ok(tl_atomic_begin(&f, path) == TL_OK && fputs("third", f.file) >= 0 && tl_atomic_commit(&f) == TL_OK && holds(path, "third"),
       "a third replaces it");
    ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "and keeps its mode");

    snprintf(link, sizeof link, "%s", files_name("link"));
    ok(symlink("weights", link) == 0 && tl_atomic_begin(&f, link) == TL_OK && fputs("linked", f.file) >= 0 && tl_atomic_commit(&f) == TL_OK &&
           holds(path, "linked") && lstat(link, &st) == 0 && S_ISLNK(st.st_mode),
       "a symbolic link is followed and stays");

    is_int(tl_atomic_begin(&f, files_name("no/such/folder")), TL_ERR_IO, "a folder that is missing");
    contains(tl_error_message(), "No such file", "is told");
    tl_error_clear();
    is_int(tl_atomic_begin(&f, files_folder), TL_ERR_IO, "a folder is no file");
    tl_error_clear();
    is_int(tl_atomic_begin(&f, "/dev/full"), TL_ERR_IO, "nor is a device");
    tl_error_clear();
    is_int(tl_atomic_commit(&f), TL_ERR_STATE, "nothing to commit");
    tl_error_clear();
}

/* Three processes begin to write the same file, and are killed while they do. */
static void kill_writers(const char *path)
{
    pid_t child[3];
    int ready[2];
    char one;

    if (pipe(ready) != 0)
        bail_out("no pipe");
    for (int i = 0; i < 3; i++)
        if ((child[i] = fork()) == 0) {
            struct tl_atomic_file f;
            if (tl_atomic_begin(&f, path) != TL_OK || fputs("half", f.file) < 0 || fflush(f.file) != 0 || write(ready[1], "x", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
    close(ready[1]);
    for (int i = 0; i < 3; i++)
        if (read(ready[0], &one, 1) != 1)
            bail_out("a writer did not begin");
    close(ready[0]);
    for (int i = 0; i < 3; i++) {
        kill(child[i], SIGKILL);
        waitpid(child[i], NULL, 0);
    }
}

static int count_temporaries(void)
{
    DIR *dir = opendir(files_folder);
    int n = 0;

    for (struct dirent *e; dir && (e = readdir(dir));)
        n += strstr(e->d_name, ".tmp") != NULL;
    if (dir)
        closedir(dir);
    return n;
}

/* What killed writers leave goes with the next one; what living ones write, and other names, stay. */
static void check_stale(void)
{
    static const char *const names[] = {"run.1-2.tmp", "run.1-2-g.tmp", "run.1-2-3.tmp2", "rum.1-2-3.tmp", "run.1-2-3.tmp", "run.1-2-4.tmp"};
    struct tl_atomic_file first, second, other;
    char path[400], neighbour[400];

    snprintf(path, sizeof path, "%s", files_name("run"));
    snprintf(neighbour, sizeof neighbour, "%s", files_name("run.more"));
    kill_writers(path);
    is_int(count_temporaries(), 3, "three writers are killed");
    ok(tl_atomic_begin(&other, neighbour) == TL_OK && fputs("other", other.file) >= 0, "a writer of another file");
    is_int(count_temporaries(), 4, "leaves them");
    ok(tl_atomic_begin(&first, path) == TL_OK && fputs("first", first.file) >= 0, "a fourth");
    is_int(count_temporaries(), 2, "takes them away, and not that of the other, who lives");
    ok(tl_atomic_begin(&second, path) == TL_OK && fputs("second", second.file) >= 0, "two at a time");
    is_int(count_temporaries(), 3, "let each other be");
    ok(tl_atomic_commit(&first) == TL_OK && holds(path, "first") && tl_atomic_commit(&second) == TL_OK && holds(path, "second"), "one after the other");
    ok(tl_atomic_commit(&other) == TL_OK && holds(neighbour, "other") && tidy(), "and nothing is left");
    for (int i = 0; i < 4; i++)
        files_write(names[i], "x", 1);
    ok(symlink("run", files_name(names[4])) == 0 && mkfifo(files_name(names[5]), 0600) == 0, "names like it");
    ok(tl_atomic_begin(&first, path) == TL_OK, "once more");
    tl_atomic_abort(&first);
    is_int(count_temporaries(), 6, "links, pipes and other names are not touched");
    for (int i = 0; i < 6; i++)
        unlink(files_name(names[i]));
}

/* The disk is full at the flush: the stream is put on /dev/full. */
static void check_full_disk(void)
{
    struct tl_atomic_file f;
    char path[400];
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (full < 0) {
        skip(2, "no /dev/full");
        return;
    }
    snprintf(path, sizeof path, "%s", files_write("kept", "old", 3));
    ok(tl_atomic_begin(&f, path) == TL_OK && dup2(full, fileno(f.file)) >= 0 && fputs("new", f.file) >= 0, "a full disk");
    is_int(tl_atomic_commit(&f), TL_ERR_IO, "fails at the latest when the file is committed");
    contains(tl_error_message(), "No space left on device", "with the reason");
    tl_error_clear();
    ok(holds(path, "old") && tidy(), "the old file is as it was, and nothing is left");
    close(full);
}

/* The same through a format: files may not grow over 64 KiB. */
static void check_size_limit(void)
{
    struct rlimit old, small = {65536, 65536};
    char path[400];
    tl_state *s = tl_state_new();

    TL_SCOPE
    {
        tl_state_add(s, "w", tl_ones(TL_SHAPE(16), HOST(TL_F32)));
    }
    snprintf(path, sizeof path, "%s", files_name("model.safetensors"));
    ok(tl_state_try(s, path) == TL_OK && access(path, F_OK) != 0, "a small state could be saved");
    ok(tl_state_save(s, path) == TL_OK, "and is");
    TL_SCOPE
    {
        tl_state_add(s, "large", tl_zeros(TL_SHAPE(100000), HOST(TL_F32)));
    }
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    tl_status status = tl_state_save(s, path);
    setrlimit(RLIMIT_FSIZE, &old);
    is_int(status, TL_ERR_IO, "a large one meets a limit");
    tl_error_clear();
    setrlimit(RLIMIT_FSIZE, &small);
    is_int(tl_state_try(s, path), TL_ERR_IO, "to try tells it, too");
    setrlimit(RLIMIT_FSIZE, &old);
    contains(tl_error_message(), "model.safetensors", "the file is named");
    contains(tl_error_message(), strerror(EFBIG), "and the reason");
    tl_error_clear();
    tl_state_free(s);
    s = tl_state_load(path);
    ok(s && tl_state_count(s) == 1 && tl_numel(tl_state_get(s, "w")) == 16 && tidy(), "the small one is still there");
    tl_state_free(s);
}

static void check_formats(void)
{
    tl_state *s = tl_state_new();

    is_int(tl_state_save(s, files_name("model.unknown")), TL_ERR_UNSUPPORTED, "an ending that names no format");
    contains(tl_error_message(), ".safetensors", "those there are are listed");
    tl_error_clear();
    ok(access(files_path, F_OK) != 0 && tidy(), "nothing was written");
    ok(!tl_state_load(files_write("x.unknown", "what is this", 12)) && tl_error_code() == TL_ERR_UNSUPPORTED, "bytes in no format");
    tl_error_clear();
    ok(!tl_state_load(files_name("missing.safetensors")) && tl_error_code() == TL_ERR_IO, "a missing file");
    tl_error_clear();
    ok(tl_state_save(s, files_name("none.safetensors")) == TL_OK, "an empty state is saved");
    tl_state_free(s);
    s = tl_state_load(files_name("none.safetensors"));
    ok(s && tl_state_count(s) == 0, "and comes back");
    tl_state_free(s);
}

int main(void)
{
    files_begin("state");
    check_dictionary();
    check_map();
    check_from_map();
    check_atomic();
    check_stale();
    check_full_disk();
    check_formats();
    check_size_limit();
    files_end();
    return done_testing();
}
