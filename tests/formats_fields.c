/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight files of every format, field by field: each number of each header by each number that breaks programs, cut after every byte,
 * with memory that runs out at every allocation, and where there is no file at all. damage.h has what each may do.
 */
#include "damage.h"

static const char *const endings[] = {"safetensors", "pth", "npz", "npy"};
enum { N_ENDINGS = sizeof endings / sizeof *endings };

/* Can this build write it? */
static bool is_there(const char *ending)
{
    char name[40];
    snprintf(name, sizeof name, "x.%s", ending);
    bool there = tl_state_can_save(name) == TL_OK;
    tl_error_clear();
    return there;
}

/* The state that a file of this ending can hold, saved and read as bytes. */
static unsigned char *seed_of(const char *ending, size_t *n)
{
    char name[40], path[400];
    tl_state *s = small_state();

    if (strcmp(ending, "npy") == 0) {
        tl_state *one = tl_state_new();
        tl_state_add(one, "seed", tl_state_at(s, 0));
        tl_state_free(s);
        s = one;
    }
    snprintf(name, sizeof name, "seed.%s", ending);
    snprintf(path, sizeof path, "%s", files_name(name));
    if (tl_state_save(s, path) != TL_OK)
        bail_out("%s", tl_error_message());
    tl_state_free(s);
    return contents(path, n);
}

/* ---- Cut after every byte ---- */

static void cut_everywhere(const char *name, const unsigned char *seed, size_t n)
{
    size_t other = 0;

    begin();
    for (size_t cut = 0; cut < n; cut++)
        if (attack(name, seed, cut, NULL) != TL_ERR_TRUNCATED) {
            if (other++ == 0)
                diag("cut after byte %zu it is not TRUNCATED", cut);
        }
    is_int((long long)other, 0, "%s is TRUNCATED after each of its %zu bytes", name, n);
    end(name, (int)n);
}

static void check_cuts(void)
{
    static const char *const old[] = {"1.0.0-python2.7-tensor.pth", "1.0.1-python3.6-list.pth", "1.6.0-python3.8-tensor.pth"};
    char name[40];
    size_t n;

    for (int i = 0; i < N_ENDINGS; i++) {
        if (!is_there(endings[i]))
            continue;
        unsigned char *seed = seed_of(endings[i], &n);
        snprintf(name, sizeof name, "cut.%s", endings[i]);
        cut_everywhere(name, seed, n);
        free(seed);
    }
    for (size_t i = 0; i < sizeof old / sizeof *old && is_there("pth"); i++) {
        char path[1000];
        snprintf(path, sizeof path, "%s/tests/golden/torch/%s", TEST_SRCDIR, old[i]);
        unsigned char *seed = contents(path, &n);
        cut_everywhere(old[i], seed, n);
        free(seed);
    }
}

/* ---- Numbers that are written in a text ---- */

/* The same bytes with another text in place of those from `at` to `end`. */
static struct bytes spliced(const unsigned char *file, size_t n, size_t at, size_t end, const char *text)
{
    struct bytes b = {0};

    bytes_add(&b, file, at);
    bytes_add(&b, text, strlen(text));
    bytes_add(&b, file + end, n - end);
    return b;
}

static const char *const odd_numbers[] = {"-1", "-0", "00", "1.5", "1e3", "", "18446744073709551616", "99999999999999999999999999999999999999999999",
                                          "0x10", "+1", "[1]", "\"1\"", "null", "Infinity"};
enum { N_ODD = sizeof odd_numbers / sizeof *odd_numbers };

/* Every number between `from` and `to`, whose length is told by `width` bytes at `told`, by every other one: no file of them loads. */
static int attack_text(const char *name, const unsigned char *file, size_t n, size_t from, size_t to, size_t told, size_t width)
{
    int made = 0;

    for (size_t at = from; at < to; at++) {
        size_t stop = at;
        while (stop < to && file[stop] >= '0' && file[stop] <= '9')
            stop++;
        for (int v = 0; stop > at && v < N_BREAKERS + N_ODD; v++) {
            char text[60];
            if (v < N_BREAKERS)
                snprintf(text, sizeof text, "%llu", (unsigned long long)breakers[v]);
            else
                snprintf(text, sizeof text, "%s", odd_numbers[v - N_BREAKERS]);
            bool same = strlen(text) == stop - at && memcmp(text, file + at, stop - at) == 0;
            struct bytes b = spliced(file, n, at, stop, text);
            set_number(b.data + told, number_at(file + told, width) + strlen(text) - (stop - at), width);
            if ((attack(name, b.data, b.n, NULL) == TL_OK) != same)
                complain(same ? "the file itself is refused" : "a file loads although its numbers do not fit", files_name(name));
            made++;
            free(b.data);
        }
        at = stop;
    }
    return made;
}

/* The number of `width` bytes at `at` by each that breaks programs: no file loads but the one that it was. */
static void attack_number(const char *name, const unsigned char *file, size_t n, size_t at, size_t width)
{
    unsigned char *copy = malloc(n);

    for (int v = 0; v < N_BREAKERS; v++) {
        memcpy(copy, file, n);
        set_number(copy + at, breakers[v], width);
        bool same = memcmp(copy, file, n) == 0;
        if ((attack(name, copy, n, NULL) == TL_OK) != same)
            complain("a file loads although a length is wrong", files_name(name));
    }
    free(copy);
}

static void check_texts(void)
{
    size_t n;
    unsigned char *seed = seed_of("safetensors", &n);

    begin();
    attack_text("text.safetensors", seed, n, 8, 8 + number_at(seed, 8), 0, 8);
    attack_number("text.safetensors", seed, n, 0, 8);
    end("numbers in the header of safetensors", 300);
    free(seed);

    seed = seed_of("npy", &n);
    begin();
    int in_text = attack_text("text.npy", seed, n, 10, 10 + number_at(seed + 8, 2), 8, 2);
    attack_number("text.npy", seed, n, 8, 2);
    attack_number("text.npy", seed, n, 6, 1);
    attack_number("text.npy", seed, n, 6, 2);
    ok(in_text >= 3 * (N_BREAKERS + N_ODD), "type and sizes of an array are numbers");
    free(seed);
    seed = contents(GOLDEN "version2.npy", &n);
    attack_text("text.npy", seed, n, 12, 12 + number_at(seed + 8, 4), 8, 4);
    attack_number("text.npy", seed, n, 8, 4);
    end("numbers in the header of npy", 200);
    free(seed);
}

/* ---- Fields of an archive ---- */

/* Where a field is, and how wide. */
struct field {
    size_t at, width;
};
#define FIELDS(...) (const struct field[]){__VA_ARGS__}, sizeof((const struct field[]){__VA_ARGS__}) / sizeof(struct field)

struct seed {
    const char *name;
    struct bytes file;
    tl_state *want; /* what it holds, which is all that may load */
};

static void attack_fields(const struct seed *s, size_t base, const struct field *fields, size_t n)
{
    unsigned char *copy = malloc(s->file.n);

    for (size_t k = 0; k < n; k++)
        for (int v = 0; v < N_BREAKERS; v++) {
            memcpy(copy, s->file.data, s->file.n);
            set_number(copy + base + fields[k].at, breakers[v], fields[k].width);
            attack(s->name, copy, s->file.n, s->want);
        }
    free(copy);
}

/* Each field of each header: in the local one, in the directory's, in the end record. */
static void check_narrow(const char *ending)
{
    char name[40];
    snprintf(name, sizeof name, "fields.%s", ending);
    struct archive a = small_archive(name);
    struct seed s = {name, archive_bytes(&a, false), small_state()};
    size_t directory = number_at(s.file.data + s.file.n - 6, 4);
    unsigned char *copy = malloc(s.file.n);

    begin();
    for (size_t i = 0, at = directory; i < a.count; i++) {
        attack_fields(&s, a.records[i].begin, FIELDS({0, 4}, {4, 2}, {6, 2}, {8, 2}, {14, 4}, {18, 4}, {22, 4}, {26, 2}, {28, 2}));
        attack_fields(&s, at, FIELDS({0, 4}, {8, 2}, {10, 2}, {16, 4}, {20, 4}, {24, 4}, {28, 2}, {30, 2}, {32, 2}, {34, 2}, {42, 4}));
        for (size_t k = 0; k < a.count; k++) { /* records that point at each other */
            memcpy(copy, s.file.data, s.file.n);
            set_number(copy + at + 42, a.records[k].begin, 4);
            attack(name, copy, s.file.n, s.want);
        }
        at += 46 + strlen(a.records[i].name);
    }
    attack_fields(&s, s.file.n - 22, FIELDS({0, 4}, {4, 2}, {6, 2}, {8, 2}, {10, 2}, {12, 4}, {16, 4}, {20, 2}));
    end(name, 1000);
    free(copy);
    free(s.file.data);
    tl_state_free(s.want);
    archive_free(&a);
}

/* Those of 64 bits. */
static void check_wide(const char *ending)
{
    char name[40];
    snprintf(name, sizeof name, "wide.%s", ending);
    struct archive a = small_archive(name);
    struct seed s = {name, archive_bytes(&a, true), small_state()};
    size_t last = s.file.n - 22, locator = last - 20, end64 = locator - 56, at = number_at(s.file.data + end64 + 48, 8);

    begin();
    is_string(tl_status_name(attack(name, s.file.data, s.file.n, s.want)), "OK", "%s", name);
    for (size_t i = 0; i < a.count; i++) {
        size_t length = strlen(a.records[i].name);
        attack_fields(&s, a.records[i].begin + 30 + length, FIELDS({0, 2}, {2, 2}, {4, 8}, {12, 8}));
        attack_fields(&s, at + 46 + length, FIELDS({0, 2}, {2, 2}, {4, 8}, {12, 8}, {20, 8}));
        at += 46 + length + 28;
    }
    attack_fields(&s, end64, FIELDS({0, 4}, {4, 8}, {16, 4}, {20, 4}, {24, 8}, {32, 8}, {40, 8}, {48, 8}));
    attack_fields(&s, locator, FIELDS({0, 4}, {4, 4}, {8, 8}, {16, 4}));
    end(name, 500);
    free(s.file.data);
    tl_state_free(s.want);
    archive_free(&a);
}

/* Lies of an archive of NumPy's; of PyTorch's there are more in formats_damage.c. */
static void attack_npz(const char *what, struct archive *a, tl_status code)
{
    struct bytes b = archive_bytes(a, false);

    is_string(tl_status_name(attack("lie.npz", b.data, b.n, NULL)), tl_status_name(code), "npz: %s", what);
    free(b.data);
}

static void check_npz(void)
{
    struct archive a = small_archive("lie.npz");
    struct record *r = find(&a, "count.npy");

    begin();
    attack_npz("the archive itself", &a, TL_OK);
    r->crc ^= 1;
    attack_npz("a wrong checksum", &a, TL_ERR_FORMAT);
    r->crc ^= 1;
    snprintf(r->name, sizeof r->name, "mask.npy");
    attack_npz("a name that stands twice", &a, TL_ERR_FORMAT);
    snprintf(r->name, sizeof r->name, "../../../../tmp/telar-was-here.npy");
    attack_npz("a name that leads out of the folder is a name", &a, TL_OK);
    ok(access("/tmp/telar-was-here.npy", F_OK) != 0, "and nothing is written there");
    snprintf(r->name, sizeof r->name, "count.txt");
    attack_npz("a record that is no array", &a, TL_ERR_UNSUPPORTED);
    snprintf(r->name, sizeof r->name, "count.npy");
    r->method = 8;
    attack_npz("data that are no deflate stream", &a, TL_ERR_FORMAT);
    r->method = 12;
    attack_npz("another method of compression", &a, TL_ERR_UNSUPPORTED);
    r->method = 0;
    r->size = r->packed = r->size - 1;
    r->crc = archive_crc(r->data, r->size);
    attack_npz("an array a byte too short", &a, TL_ERR_FORMAT);
    r->size = r->packed = r->size - 8;
    r->crc = archive_crc(r->data, r->size);
    attack_npz("one without its elements and a piece of its header", &a, TL_ERR_TRUNCATED);
    end("lies of npz", 9);
    archive_free(&a);
}

/* ---- Memory ---- */

#ifdef COUNTED
/* Allocation after allocation fails, and all behind it, until there are as many as are needed. */
static void starve(const char *ending)
{
    char name[40], path[400];
    size_t n;
    int needed = 0, wrong = 0;

    snprintf(name, sizeof name, "starve.%s", ending);
    unsigned char *seed = seed_of(ending, &n);
    snprintf(path, sizeof path, "%s", files_write(name, seed, n));
    free(seed);
    tl_state_free(tl_state_load(path)); /* the plugin is there now, and so is what the core keeps for itself */
    tl_error_clear();
    for (bool done = false; !done && needed < 10000; needed++) {
        succeed = needed + 1;
        tl_state *s = tl_state_load(path);
        done = succeed > 0;
        succeed = -1;
        if (!done && (s || (tl_error_code() != TL_ERR_NOMEM && tl_error_code() != TL_ERR_IO)) && wrong++ == 0)
            diag("%d: %s: %s", needed, tl_status_name(tl_error_code()), tl_error_message());
        if (done && !s && wrong++ == 0)
            diag("with memory enough: %s", tl_error_message());
        tl_state_free(s);
        tl_error_clear();
    }
    ok(wrong == 0 && needed > 5 && needed < 10000, "%s: NOMEM at each of %d allocations", ending, needed);
    if (strcmp(ending, "npy") == 0)
        return; /* holds one array, and no module's state */
    needed = wrong = 0;
    for (bool done = false; !done && needed < 10000; needed++) {
        succeed = needed + 1;
        tl_status s = tl_module_load(victim.net, path, .assign = needed % 2);
        done = succeed > 0;
        succeed = -1;
        if ((s == TL_OK) != done || (s != TL_OK && !victim_is_as_it_was()))
            if (wrong++ == 0)
                diag("%d: %s: %s", needed, tl_status_name(s), tl_error_message());
        tl_error_clear();
        if (s == TL_OK)
            victim_new();
    }
    ok(wrong == 0 && needed > 5 && needed < 10000, "%s: a module is as it was after each of %d", ending, needed);
}
#endif

static void check_starved(void)
{
#ifdef COUNTED
    begin();
    for (int i = 0; i < N_ENDINGS; i++)
        if (is_there(endings[i]))
            starve(endings[i]);
#else
    skip(1, "a sanitizer has its own allocator: memory does NOT run out");
#endif
}

/* ---- No file ---- */

static void check_nothing(void)
{
    char name[40], path[400];

    begin();
    for (int i = 0; i < N_ENDINGS; i++) {
        if (!is_there(endings[i]))
            continue;
        snprintf(name, sizeof name, "none.%s", endings[i]);
        snprintf(path, sizeof path, "%s", files_name(name));
        is_int(tl_module_load(victim.net, path), TL_ERR_IO, "no file %s", name);
        contains(tl_error_message(), path, "by its name");
        tl_error_clear();
        snprintf(name, sizeof name, "folder.%s", endings[i]);
        snprintf(path, sizeof path, "%s", files_mkdir(name));
        is_int(tl_module_load(victim.net, path), TL_ERR_IO, "a folder");
        contains(tl_error_message(), path, "by its name");
        tl_error_clear();
        snprintf(name, sizeof name, "pipe.%s", endings[i]);
        snprintf(path, sizeof path, "%s", files_name(name));
        if (mkfifo(path, 0600) == 0) {
            is_int(tl_module_load(victim.net, path), TL_ERR_IO, "a pipe");
            contains(tl_error_message(), path, "by its name");
            tl_error_clear();
        }
        ok(victim_is_as_it_was(), "nothing happened to the module");
    }
}

int main(void)
{
    damage_begin("formats_fields");
    check_cuts();
    check_texts();
    for (int i = 0; i < N_ENDINGS; i++)
        if (is_there(endings[i]) && (strcmp(endings[i], "pth") == 0 || strcmp(endings[i], "npz") == 0)) {
            check_narrow(endings[i]);
            check_wide(endings[i]);
        }
    if (is_there("npz"))
        check_npz();
    else
        skip(1, "Telar was built without zlib: .pth and .npz are NOT tested");
    check_starved();
    check_nothing();
    damage_end();
    return done_testing();
}
