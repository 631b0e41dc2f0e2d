/* SPDX-License-Identifier: Apache-2.0
 *
 * Damaged weight files, made from small good ones: cut at every length, bits flipped, numbers overwritten by those that break programs,
 * archives whose directory lies, pickles that nest, multiply or call. What each may do is in damage.h; of an archive, whose records
 * have checksums, only the right tensors may load.
 */
#include "damage.h"
#include "pickles.h"

#ifdef TL_HAVE_ZLIB
#include <zlib.h>
#endif

/* ---- Damage of any file ---- */

static void attack_everywhere(const char *name, const unsigned char *seed, size_t n, const tl_state *want, int rounds)
{
    unsigned char *copy = malloc(n + 16);
    uint32_t state = 2463534242u;

    for (size_t cut = 0; cut < n; cut += 1 + n / 1500)
        attack(name, seed, cut, want);
    for (int round = 0; round < rounds; round++) {
        memcpy(copy, seed, n);
        for (int k = 0; k < 1 + round % 3; k++) {
            uint32_t where = files_random(&state) % (uint32_t)n, bit = files_random(&state) % 8;
            copy[where] ^= (unsigned char)(1u << bit);
        }
        attack(name, copy, n, want);
    }
    for (int round = 0; round < rounds; round++) {
        size_t width = (size_t)1 << files_random(&state) % 4, where = files_random(&state) % n;
        memcpy(copy, seed, n);
        set_number(copy + where, breakers[files_random(&state) % N_BREAKERS], width);
        attack(name, copy, n, want);
    }
    for (int round = 0; round < rounds / 4; round++) { /* a piece is missing, or stands twice */
        size_t at = files_random(&state) % n, length = files_random(&state) % 40 + 1, rest;
        length = length > n - at ? n - at : length;
        struct bytes b = {0};
        bytes_add(&b, seed, round % 2 ? at : at + length);
        rest = round % 2 ? at + length : at;
        bytes_add(&b, seed + rest, n - rest);
        attack(name, b.data, b.n, want);
        free(b.data);
    }
    free(copy);
}

static void check_format(const char *ending, const char *golden, bool summed)
{
    char name[40], path[400];
    tl_state *state = NULL, *want = NULL;
    size_t n;

    snprintf(name, sizeof name, "damaged.%s", ending);
    if (golden)
        snprintf(path, sizeof path, GOLDEN "%s", golden);
    else {
        state = small_state();
        if (strcmp(ending, "npy") == 0) {
            tl_state *one = tl_state_new();
            tl_state_add(one, "damaged", tl_state_at(state, 0));
            tl_state_free(state);
            state = one;
        }
        snprintf(path, sizeof path, "%s", files_name(name));
        if (tl_state_save(state, path) != TL_OK)
            bail_out("%s", tl_error_message());
    }
    unsigned char *seed = contents(path, &n);
    want = tl_state_load(path);
    begin();
    is_int(attack(name, seed, n, want), TL_OK, "%s: the file itself loads", golden ? golden : name);
    attack_everywhere(name, seed, n, summed ? want : NULL, 600);
    end(golden ? golden : name, 1000);
    free(seed);
    tl_state_free(want);
    tl_state_free(state);
}

/* ---- Records that are damaged and bear the right checksum ---- */

static void check_inside(const char *name, const char *golden, const char *which, bool all)
{
    struct archive a = {0};
    char path[400];
    size_t n;
    uint32_t state = 88172645u;
    snprintf(path, sizeof path, GOLDEN "%s", golden);
    unsigned char *file = contents(path, &n);

    archive_parse(&a, file, n);
    begin();
    for (size_t i = 0; i < a.count; i++) {
        struct record *r = &a.records[i], good = *r;
        if (!strstr(r->name, which) || r->size == 0 || (i > 0 && !all))
            continue;
        for (int round = 0; round < 3000 / (all ? 10 : 1); round++) {
            size_t where = files_random(&state) % good.size, width = (size_t)1 << files_random(&state) % 4;
            r->data = malloc(good.size + 16);
            memcpy(r->data, good.data, good.size);
            if (round % 3 == 0)
                r->packed = r->size = where;
            else if (round % 3 == 1)
                set_number(r->data + where, breakers[files_random(&state) % N_BREAKERS], width);
            else
                for (int k = 0; k < 1 + round % 4; k++)
                    r->data[files_random(&state) % good.size] = (unsigned char)files_random(&state);
            r->crc = archive_crc(r->data, r->size);
            struct bytes b = archive_bytes(&a, false);
            attack(name, b.data, b.n, NULL);
            free(b.data);
            free(r->data);
            *r = good;
        }
    }
    end(golden, 1000);
    archive_free(&a);
    free(file);
}

/* ---- Archives that lie ---- */

static void attack_archive(const char *what, struct archive *a, tl_status code, const char *words)
{
    struct bytes b = archive_bytes(a, false);
    char name[] = "lie.pth";
    const char *path = files_write(name, b.data, b.n);
    tl_state *s = tl_state_load(path);

    if (!ok(code == TL_OK ? s != NULL : !s && tl_error_code() == code && strstr(tl_error_message(), words), "%s", what))
        diag("%s: %s, expected %s", tl_status_name(tl_error_code()), tl_error_message(), tl_status_name(code));
    tl_state_free(s);
    tl_error_clear();
    free(b.data);
}

static void check_lies(void)
{
    struct archive a = small_archive("seed.pth");
    struct bytes wide = archive_bytes(&a, true);
    tl_state *s = tl_state_load(files_write("wide.pth", wide.data, wide.n));
    if (!ok(s && tl_state_count(s) == 3, "sizes of 64 bits everywhere"))
        diag("%s", tl_error_message());
    tl_state_free(s);
    tl_state *want = small_state();
    begin();
    attack_everywhere("wide.pth", wide.data, wide.n, want, 500);
    end("an archive of 64 bits", 1000);
    tl_state_free(want);
    free(wide.data);

    attack_archive("the archive itself", &a, TL_OK, "");
    struct record *r = find(&a, "data/0");
    r->crc ^= 1;
    attack_archive("a wrong checksum", &a, TL_ERR_FORMAT, "data/0");
    r->crc ^= 1;
    snprintf(r->name, sizeof r->name, "archive/data/9");
    attack_archive("a storage that is missing", &a, TL_ERR_FORMAT, "archive/data/0");
    snprintf(r->name, sizeof r->name, "archive/data/1");
    attack_archive("a name that stands twice", &a, TL_ERR_FORMAT, "twice");
    snprintf(r->name, sizeof r->name, "archive/data/0");
    r->size = r->packed = r->size - 4;
    r->crc = archive_crc(r->data, r->size);
    attack_archive("a storage shorter than its tensor", &a, TL_ERR_FORMAT, "data/0");
    r->size = r->packed = r->size + 4;
    r->crc = archive_crc(r->data, r->size);
    r->method = 12;
    attack_archive("another method of compression", &a, TL_ERR_UNSUPPORTED, "method 12");
    r->method = 8;
    attack_archive("data that are no deflate stream", &a, TL_ERR_FORMAT, "data/0");
    r->method = 0;
    archive_add(&a, "../../../tmp/telar-was-here", "x", 1);
    attack_archive("a name that leads out of the folder is a name", &a, TL_OK, "");
    ok(access("/tmp/telar-was-here", F_OK) != 0, "and nothing is written there");
    r = find(&a, "byteorder");
    memcpy(r->data, "bigger", 6);
    r->crc = archive_crc(r->data, 6);
    attack_archive("big-endian numbers", &a, TL_ERR_UNSUPPORTED, "big endian");
    archive_free(&a);
}

/* A record within the data of another: its header and its sum are right. */
static void check_overlap(void)
{
    struct archive a = small_archive("seed.pth"), inner = {0};
    archive_add(&inner, "archive/inner", "abcd", 4);
    struct bytes within = archive_bytes(&inner, false);
    struct record *outer = archive_add(&a, "archive/outer", within.data, within.n), *r = archive_add(&a, "archive/inner", "abcd", 4);
    attack_archive("two records", &a, TL_OK, "");
    struct bytes b = archive_bytes(&a, false);
    unsigned char *last = b.data + b.n - 22 - 46 - strlen(r->name);
    set_number(last + 42, outer->begin + 30 + strlen(outer->name), 4);
    tl_state *s = tl_state_load(files_write("overlap.pth", b.data, b.n));
    ok(!s && tl_error_code() == TL_ERR_FORMAT, "a record within another");
    contains(tl_error_message(), "overlaps", "is told so");
    tl_state_free(s);
    tl_error_clear();
    free(b.data);
    free(within.data);
    archive_free(&inner);
    archive_free(&a);
}

/* A byte less is TRUNCATED, one more is a lie. */
static void check_ends(const char *name, const char *golden, tl_status cut, tl_status more)
{
    char path[400];
    size_t n;
    snprintf(path, sizeof path, GOLDEN "%s", golden);
    unsigned char *file = contents(path, &n);

    begin();
    is_string(tl_status_name(attack(name, file, n - 1, NULL)), tl_status_name(cut), "%s without its last byte", golden);
    file[n] = 0;
    is_string(tl_status_name(attack(name, file, n + 1, NULL)), tl_status_name(more), "and with one more");
    free(file);
}

/* ---- Bombs ---- */

#ifdef TL_HAVE_ZLIB
/* n bytes, which every `period`-th time are another one, behind a head. */
static void deflated(struct record *r, const void *head, size_t n_head, size_t n, size_t period)
{
    unsigned char *bytes = calloc(1, n_head + n);
    uLong room = compressBound((uLong)(n_head + n));
    z_stream z = {0};
    uint32_t state = 2463534242u;

    memcpy(bytes, head, n_head);
    for (size_t i = 0; i < n && period; i += period)
        bytes[n_head + i] = (unsigned char)files_random(&state);
    free(r->data);
    r->data = malloc(room);
    deflateInit2(&z, period ? 1 : 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    z.next_in = bytes;
    z.avail_in = (uInt)(n_head + n);
    z.next_out = r->data;
    z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH);
    r->packed = z.total_out;
    r->size = n_head + n;
    r->crc = (uint32_t)crc32_z(0, bytes, n_head + n);
    r->method = 8;
    deflateEnd(&z);
    free(bytes);
}

static void bomb_is(const char *name, struct archive *a, tl_status code, const char *what)
{
    struct bytes b = archive_bytes(a, false);

    is_string(tl_status_name(attack(name, b.data, b.n, NULL)), tl_status_name(code), "%s: %s in %zu bytes", name, what, b.n);
    free(b.data);
}

static void check_bomb(const char *name, const char *of)
{
    enum { MANY = 200 << 20 };
    const int64_t sizes[] = {MANY / 4}, one[] = {1};
    struct archive a = small_archive(name);
    struct record *r = find(&a, of);

    deflated(r, "", 0, MANY, 0);
    if (strstr(name, ".pth")) {
        struct bytes pickle = {0};
        struct record *p = find(&a, "data.pkl");
        tensor_pickle(&pickle, "FloatStorage", MANY / 4, 0, sizes, 1, one, 1);
        free(p->data);
        p->data = pickle.data;
        p->packed = p->size = pickle.n;
        p->crc = archive_crc(pickle.data, pickle.n);
    }
    bomb_is(name, &a, TL_ERR_LIMIT, "200 MiB");
    r->size = 24;
    bomb_is(name, &a, TL_ERR_FORMAT, "200 MiB that are told to be 24 bytes");
    r->size = UINT64_C(1) << 31;
    bomb_is(name, &a, TL_ERR_FORMAT, "200 MiB that are told to be 2 GiB");
    archive_free(&a);
}

/* As much as may be unpacked, and more than the memory that a damaged file may take: the last record is damaged. */
static void check_late_damage(void)
{
    enum { COUNT = 15, EACH = 7 << 20 };
    static const char form[] = "\x93NUMPY\x01\0\x76\0{'descr': '|u1', 'fortran_order': False, 'shape': (7340032,), }";
    unsigned char head[128];
    struct archive a = {.count = 0};
    char name[40];

    memset(head, ' ', sizeof head);
    memcpy(head, form, sizeof form - 1);
    head[127] = '\n';
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "array%d.npy", i);
        deflated(archive_add(&a, name, "", 0), head, sizeof head, EACH, 17);
    }
    bomb_is("late.npz", &a, TL_OK, "105 MiB that are arrays");
    a.records[COUNT - 1].crc ^= 1;
    begin(); /* what is whole may take its memory */
    bomb_is("late.npz", &a, TL_ERR_FORMAT, "105 MiB of which the last are damaged");
    a.records[COUNT - 1].crc ^= 1;

    /* The same as storages. */
    struct bytes pickle = {0};
    words(&pickle, "\x80\x02}(");
    for (int i = 0; i < COUNT; i++) {
        const unsigned char key = (unsigned char)('a' + i);
        struct record *r = &a.records[i];
        snprintf(r->name, sizeof r->name, "archive/data/%c", key);
        deflated(r, "", 0, EACH, 17);
        words(&pickle, "U\x01");
        bytes_add(&pickle, &key, 1);
        words(&pickle, "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nByteStorage\nU\x01");
        bytes_add(&pickle, &key, 1);
        words(&pickle, "U\x03" "cpu");
        long_number(&pickle, EACH);
        words(&pickle, "tQ");
        long_number(&pickle, 0);
        words(&pickle, "(");
        long_number(&pickle, i < COUNT - 1 ? EACH : EACH + 1);
        words(&pickle, "t(");
        long_number(&pickle, 1);
        words(&pickle, "t\x89}tR");
    }
    words(&pickle, "u.");
    archive_add(&a, "archive/data.pkl", pickle.data, pickle.n);
    bomb_is("late.pth", &a, TL_ERR_FORMAT, "105 MiB of which the last tensor is too large");
    free(pickle.data);
    archive_free(&a);
}
#endif

static void check_bombs(void)
{
#ifdef TL_HAVE_ZLIB
    begin();
    check_bomb("bomb.pth", "data/0");
    check_bomb("bomb.npz", "fc.weight.npy");
    end("bombs", 6);
    begin();
    check_late_damage();
    end("late damage", 2);
#else
    skip(4, "no zlib");
#endif
}

int main(void)
{
    damage_begin("formats_damage");
    check_format("safetensors", NULL, false);
    check_format("npy", NULL, false);
    check_ends("ends.npy", "fortran.npy", TL_ERR_TRUNCATED, TL_ERR_FORMAT);
    if (tl_state_can_save("x.pth") == TL_OK) {
        check_format("pth", NULL, true);
        check_format("pth", "weights.pth", true);
        check_format("pth", "weights_deflated.pth", true);
        check_format("pth", "weights_legacy.pth", false);
        check_format("pth", "checkpoint_legacy.pth", false);
        check_format("npz", NULL, true);
        check_format("npz", "weights_deflated.npz", true);
        check_inside("inside.pth", "weights.pth", "data.pkl", false);
        check_inside("inside.pth", "checkpoint.pth", "data.pkl", false);
        check_inside("inside.npz", "weights.npz", ".npy", true);
        check_lies();
        check_overlap();
        check_ends("ends.pth", "weights_legacy.pth", TL_ERR_TRUNCATED, TL_ERR_FORMAT);
        check_ends("ends.pth", "weights.pth", TL_ERR_TRUNCATED, TL_ERR_TRUNCATED);
        check_ends("ends.npz", "weights.npz", TL_ERR_TRUNCATED, TL_ERR_TRUNCATED);
        check_bombs();
    } else {
        tl_error_clear();
        skip(1, "Telar was built without zlib: .pth and .npz are NOT tested");
    }
    damage_end();
    return done_testing();
}
