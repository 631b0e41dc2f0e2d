/* SPDX-License-Identifier: Apache-2.0
 *
 * The safetensors format: what is written comes back bit for bit and aligned; files that other programs wrote are read
 * (golden/tensors.safetensors, by the Python package); every lie that a header can tell is refused with its place.
 */
#include "files.h"

#include <telar/state.h>
#include <telar/telar.h>

#define HOST(type) ((struct tl_options){.dtype = (type), .device = "cpu"})

/* ---- Round trip ---- */

static void check_round_trip(void)
{
    static const tl_dtype dtypes[] = {TL_U8, TL_F32, TL_BOOL, TL_F64, TL_F16, TL_BF16, TL_I8, TL_I32, TL_I64};
    unsigned char bytes[48], *file = NULL;
    tl_state *s = tl_state_new(), *back;
    char path[400];
    size_t n_file = 0;

    TL_SCOPE
    {
        for (int i = 0; i < 9; i++) {
            for (size_t k = 0; k < sizeof bytes; k++)
                bytes[k] = dtypes[i] == TL_BOOL ? (unsigned char)(k % 3 == 0) : (unsigned char)(k * 37 + (size_t)i * 11);
            tl_state_add(s, tl_dtype_name(dtypes[i]), tl_from_data(TL_SHAPE(3, 2), bytes, HOST(dtypes[i])));
        }
        tl_state_add(s, "0-d", tl_full(TL_SHAPE0, 2.5, HOST(TL_F32)));
        tl_state_add(s, "no elements", tl_zeros(TL_SHAPE(0, 4), HOST(TL_F32)));
        tl_state_add(s, "\"quoted\" \\ \n \x01 ñ 你", tl_ones(TL_SHAPE(1), HOST(TL_I64)));
    }
    tl_state_set_note(s, "format", "pt");
    tl_state_set_note(s, "text", "two\nlines, \"quotes\", ñ, 😀");
    snprintf(path, sizeof path, "%s", files_name("all.safetensors"));
    if (!ok(tl_state_save(s, path) == TL_OK, "a state of every type is saved"))
        diag("%s", tl_error_message());
    back = tl_state_load(path);
    if (!ok(back && tl_state_count(back) == 12 && tl_state_note_count(back) == 2, "and read again"))
        bail_out("%s", tl_error_message());
    bool same = true, order = true;
    for (size_t i = 0; i < 12; i++) {
        tl_tensor *a = tl_state_at(s, i), *b = tl_state_get(back, tl_state_name(s, i));
        order = order && strcmp(tl_state_name(s, i), tl_state_name(back, i)) == 0;
        same = same && b && tl_dtype_of(a) == tl_dtype_of(b) && tl_ndim(a) == tl_ndim(b) && tl_numel(a) == tl_numel(b) &&
               (tl_numel(a) == 0 || memcmp(tl_data(a), tl_data(b), (size_t)tl_numel(a) * tl_dtype_size(tl_dtype_of(a))) == 0);
    }
    ok(same, "with the same bits");
    ok(order, "in the same order");
    is_string(tl_state_note(back, "text"), "two\nlines, \"quotes\", ñ, 😀", "notes too");
    tl_state_free(back);
    tl_state_free(s);

    struct tl_map map;
    if (tl_map_open(path, &map) == TL_OK) {
        n_file = map.size;
        file = malloc(n_file);
        memcpy(file, map.data, n_file);
        tl_map_close(&map);
    }
    ok(file && (8 + file[0] + 256 * file[1]) % 8 == 0, "the data begin at a multiple of 8");
    ok(strstr((char *)file + 8, "\"f64\":{\"dtype\":\"F64\",\"shape\":[3,2],\"data_offsets\":[0,48]}") != NULL,
       "wide elements come first, so that all are aligned");
    free(file);
}

static void check_golden(void)
{
    tl_state *s = tl_state_load(TEST_SRCDIR "/tests/golden/tensors.safetensors");

    if (!ok(s != NULL, "a file of the Python package"))
        bail_out("%s", tl_error_message());
    is_int(tl_state_count(s), 9, "has nine tensors");
    is_string(tl_state_note(s, "made by"), "safetensors for Python", "and a note");
    static const char *const names[] = {"F32", "F64", "F16", "BF16", "I8", "U8", "I32", "I64"};
    for (int k = 0; k < 8; k++)
        TL_SCOPE
        {
            tl_tensor *t = tl_state_get(s, names[k]);
            double v[6] = {0};
            bool good = t && tl_ndim(t) == 2 && tl_shape(t)[0] == 2 && tl_copy_out(t, TL_F64, v, sizeof v) == TL_OK;
            for (int i = 0; i < 6; i++)
                good = good && v[i] == (k == 5 ? i * 40 : (i - 2) * 20);
            ok(good, "%s has the values that were written", names[k]);
        }
    tl_tensor *b = tl_state_get(s, "BOOL");
    const unsigned char *v = b ? tl_data(b) : NULL;
    ok(v && tl_numel(b) == 3 && v[0] == 1 && v[1] == 0 && v[2] == 1, "BOOL");
    tl_state_free(s);
}

/* ---- Bad files ---- */

static const char *make(const char *header, size_t data)
{
    static unsigned char file[8192];
    size_t n = strlen(header);

    memset(file, 0, sizeof file);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(file + 8, header, n);
    return files_write("bad.safetensors", file, 8 + n + data);
}

static void bad(const char *what, const char *path, tl_status code, const char *words)
{
    tl_state *s = tl_state_load(path);

    ok(!s, "%s is refused", what);
    is_string(tl_status_name(tl_error_code()), tl_status_name(code), "with the right code");
    contains(tl_error_message(), words, "it says what and where");
    tl_state_free(s);
    tl_error_clear();
}

#define F32(name, shape, offsets) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void check_bad(void)
{
    tl_state *s = tl_state_load(make("{" F32("a", "2", "0,8") "}", 8));
    ok(s && tl_state_count(s) == 1, "the pattern itself is good");
    tl_state_free(s);
    s = tl_state_load(make("{ \"a\" : { \"shape\" : [ ] , \"data_offsets\" : [ 0 , 1 ] , \"dtype\" : \"U8\" } } \n", 1));
    ok(s && tl_ndim(tl_state_get(s, "a")) == 0, "blanks and another order of keys");
    tl_state_free(s);
    s = tl_state_load(make("{\"__metadata__\":{\"k\":\"\\u00f1\\ud83d\\ude00\\/\"}}", 0));
    ok(s && tl_state_note(s, "k") && strcmp(tl_state_note(s, "k"), "ñ😀/") == 0, "escapes");
    tl_state_free(s);

    bad("an empty file", files_write("bad.safetensors", "", 0), TL_ERR_TRUNCATED, "0 bytes");
    bad("five bytes", files_write("bad.safetensors", "\x08\0\0\0\0", 5), TL_ERR_TRUNCATED, "5 bytes");
    bad("a header longer than the file", files_write("bad.safetensors", "\x40\0\0\0\0\0\0\0{}", 10), TL_ERR_TRUNCATED, "64 bytes");
    bad("a header of 2^63 bytes", files_write("bad.safetensors", "\0\0\0\0\0\0\0\x80{}", 10), TL_ERR_LIMIT, "9223372036854775808");
    bad("a header of 2^64-1 bytes", files_write("bad.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), TL_ERR_LIMIT, "most");
    bad("data cut short", make("{" F32("a", "2", "0,8") "}", 7), TL_ERR_TRUNCATED, "\"a\" needs data up to byte 8");
    bad("data too long", make("{" F32("a", "2", "0,8") "}", 9), TL_ERR_FORMAT, "1 bytes follow");
    bad("a gap", make("{" F32("a", "1", "0,4") "," F32("b", "1", "8,12") "}", 12), TL_ERR_FORMAT, "\"b\" begins at data byte 8, leaving a gap");
    bad("an overlap", make("{" F32("a", "2", "0,8") "," F32("b", "2", "4,12") "}", 12), TL_ERR_FORMAT, "\"b\" begins at data byte 4, overlapping");
    bad("a first gap", make("{" F32("a", "1", "4,8") "}", 8), TL_ERR_FORMAT, "leaving a gap");
    bad("an end before the begin", make("{" F32("a", "2", "8,0") "}", 8), TL_ERR_FORMAT, "end before they begin");
    bad("a size that is not the shape's", make("{" F32("a", "3", "0,8") "}", 8), TL_ERR_FORMAT, "need 12 bytes, its data_offsets give 8");
    bad("an offset of 2^64-1", make("{" F32("a", "2", "18446744073709551607,18446744073709551615") "}", 8), TL_ERR_TRUNCATED, "needs data up");
    bad("an offset over 64 bits", make("{" F32("a", "2", "0,18446744073709551624") "}", 8), TL_ERR_LIMIT, "over 64 bits");
    bad("a size that overflows", make("{" F32("a", "4611686018427387904,4", "0,0") "}", 0), TL_ERR_LIMIT, "\"a\"");
    bad("a dimension over 63 bits", make("{" F32("a", "9223372036854775808", "0,0") "}", 0), TL_ERR_LIMIT, "over 63 bits");
    bad("a negative dimension", make("{" F32("a", "-2", "0,8") "}", 8), TL_ERR_FORMAT, "negative");
    bad("a fractional dimension", make("{" F32("a", "2.0", "0,8") "}", 8), TL_ERR_FORMAT, "whole number");
    bad("a leading zero", make("{" F32("a", "02", "0,8") "}", 8), TL_ERR_FORMAT, "whole number");
    bad("nine dimensions", make("{" F32("a", "1,1,1,1,1,1,1,1,2", "0,8") "}", 8), TL_ERR_LIMIT, "more than 8");
    bad("an unknown type", make("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2), TL_ERR_UNSUPPORTED, "F8_E4M3");
    bad("a name twice", make("{" F32("a", "1", "0,4") "," F32("a", "1", "4,8") "}", 8), TL_ERR_FORMAT, "\"a\" stands twice");
    bad("a key twice", make("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), TL_ERR_FORMAT, "stands twice");
    bad("an unknown key", make("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4), TL_ERR_FORMAT, "other than");
    bad("a missing key", make("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0), TL_ERR_FORMAT, "all needed");
    bad("metadata twice", make("{\"__metadata__\":{},\"__metadata__\":{}}", 0), TL_ERR_FORMAT, "__metadata__ stands twice");
    bad("a metadata key twice", make("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0), TL_ERR_FORMAT, "stands twice");
    bad("metadata that is no text", make("{\"__metadata__\":{\"a\":1}}", 0), TL_ERR_FORMAT, "'\"' is expected");
    bad("an array for the header", make("[]", 0), TL_ERR_FORMAT, "'{' is expected");
    bad("a header that stops", make("{\"a\":{\"dtype\":\"F32\"", 0), TL_ERR_FORMAT, "it ends where");
    bad("a string that stops", make("{\"a", 0), TL_ERR_FORMAT, "not closed");
    bad("a string that ends in a backslash", make("{\"a\\", 0), TL_ERR_FORMAT, "not closed");
    bad("something after the header", make("{}x", 0), TL_ERR_FORMAT, "follows its end");
    bad("a trailing comma", make("{" F32("a", "2", "0,8") ",}", 8), TL_ERR_FORMAT, "expected");
    bad("a NUL in a name", make("{\"a\\u0000\":{}}", 0), TL_ERR_FORMAT, "NUL");
    bad("half a surrogate pair", make("{\"a\\ud83d\":{}}", 0), TL_ERR_FORMAT, "surrogate");
    bad("an unknown escape", make("{\"a\\x\":{}}", 0), TL_ERR_FORMAT, "escape");
    bad("bytes that are not UTF-8", make("{\"a\xc3(\":{}}", 0), TL_ERR_FORMAT, "UTF-8");
    bad("a control character", make("{\"a\n\":{}}", 0), TL_ERR_FORMAT, "control");

    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = '\0';
    memcpy(deep, "{\"a\":{\"shape\":", 14);
    bad("deep nesting", make(deep, 0), TL_ERR_FORMAT, "whole number");
    unsigned char bools[] = "\x41\0\0\0\0\0\0\0{\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}          \x01\x02";
    bools[0] = (unsigned char)(sizeof bools - 1 - 8 - 2);
    bad("a BOOL of 2", files_write("bad.safetensors", bools, sizeof bools - 1), TL_ERR_FORMAT, "element 1 is 2");
}

/* Random damage to a good file gives a state or an error, nothing else. */
static void check_damage(void)
{
    struct tl_map map;
    uint32_t state = 2463534242u;
    int loaded = 0, refused = 0;

    if (tl_map_open(TEST_SRCDIR "/tests/golden/tensors.safetensors", &map) != TL_OK)
        bail_out("%s", tl_error_message());
    unsigned char *copy = malloc(map.size);
    for (int round = 0; round < 3000; round++) {
        size_t n = map.size;
        memcpy(copy, map.data, n);
        for (int k = 0; k < 1 + round % 4; k++) {
            uint32_t r = files_random(&state), where = files_random(&state);
            copy[where % n] = r & 256 ? (unsigned char)"{}[]\",:0"[r & 7] : (unsigned char)r;
        }
        if (round % 7 == 0)
            n = files_random(&state) % n;
        tl_state *s = tl_state_load(files_write("bad.safetensors", copy, n));
        loaded += s != NULL;
        refused += !s && tl_error_code() != TL_OK;
        tl_state_free(s);
        tl_error_clear();
    }
    is_int(loaded + refused, 3000, "every damaged file loads (%d) or is refused (%d)", loaded, refused);
    free(copy);
    tl_map_close(&map);
}

static void check_writing(void)
{
    tl_state *s = tl_state_new();

    TL_SCOPE
    {
        tl_state_add(s, "bad \xff", tl_ones(TL_SHAPE(1), HOST(TL_F32)));
    }
    is_int(tl_state_save(s, files_name("w.safetensors")), TL_ERR_ARGUMENT, "a name that is not UTF-8");
    tl_error_clear();
    ok(access(files_path, F_OK) != 0, "is not written");
    tl_state_free(s);
    s = tl_state_new();
    TL_SCOPE
    {
        tl_state_add(s, "__metadata__", tl_ones(TL_SHAPE(1), HOST(TL_F32)));
    }
    is_int(tl_state_save(s, files_name("w.safetensors")), TL_ERR_ARGUMENT, "a tensor named __metadata__");
    tl_error_clear();
    tl_state_free(s);
}

int main(void)
{
    files_begin("safetensors");
    check_round_trip();
    check_golden();
    check_bad();
    check_damage();
    check_writing();
    files_end();
    return done_testing();
}
