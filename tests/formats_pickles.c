/* SPDX-License-Identifier: Apache-2.0
 *
 * Pickles that nest, multiply, lie about sizes or call, in an archive and in the form of PyTorch before 1.6: each has its own code.
 */
#include "damage.h"
#include "pickles.h"

static const float six[] = {0, 1, 2, 3, 4, 5};

/* ---- The two files around a pickle ---- */

static tl_status attack_archived(const struct bytes *pickle)
{
    struct archive a = small_archive("seed.pth");
    struct record *r = find(&a, "data.pkl");

    free(r->data);
    *r = (struct record){.data = malloc(pickle->n), .packed = pickle->n, .size = pickle->n, .crc = archive_crc(pickle->data, pickle->n)};
    snprintf(r->name, sizeof r->name, "archive/data.pkl");
    memcpy(r->data, pickle->data, pickle->n);
    struct bytes b = archive_bytes(&a, false);
    tl_status s = attack("pickle.pth", b.data, b.n, NULL);
    free(b.data);
    archive_free(&a);
    return s;
}

static tl_status attack_legacy(const struct legacy *l)
{
    struct bytes b = legacy_bytes(l);
    tl_status s = attack("legacy.pth", b.data, b.n, NULL);

    free(b.data);
    return s;
}

/* ---- Tensors ---- */

struct geometry {
    const char *what, *type;
    int64_t numel, offset;
    int n_sizes, n_strides;
    int64_t sizes[9], strides[9];
    tl_status archived, legacy; /* whether a storage has its bytes is seen before its tensors there, and behind them here */
};

#define HUGE_SIZE (INT64_C(1) << 62)
#define WIDE (INT64_C(1) << 32)
#define BOTH(code) code, code
static const struct geometry geometries[] = {
    {"the tensor itself", "FloatStorage", 6, 0, 2, 2, {2, 3}, {3, 1}, BOTH(TL_OK)},
    {"a part of it", "FloatStorage", 6, 4, 1, 1, {2}, {1}, BOTH(TL_OK)},
    {"a tensor past its storage", "FloatStorage", 6, 5, 1, 1, {2}, {1}, BOTH(TL_ERR_FORMAT)},
    {"more elements than bytes", "FloatStorage", 7, 0, 1, 1, {7}, {1}, TL_ERR_FORMAT, TL_ERR_TRUNCATED},
    {"2^62 elements", "FloatStorage", HUGE_SIZE, 0, 1, 1, {HUGE_SIZE}, {1}, BOTH(TL_ERR_LIMIT)},
    {"a storage of -1 elements", "FloatStorage", -1, 0, 1, 1, {6}, {1}, BOTH(TL_ERR_LIMIT)},
    {"a negative size", "FloatStorage", 6, 0, 1, 1, {-6}, {1}, BOTH(TL_ERR_FORMAT)},
    {"a negative stride", "FloatStorage", 6, 5, 1, 1, {6}, {-1}, BOTH(TL_ERR_FORMAT)},
    {"a negative offset", "FloatStorage", 6, -1, 1, 1, {6}, {1}, BOTH(TL_ERR_FORMAT)},
    {"a huge offset", "FloatStorage", 6, INT64_MAX, 1, 1, {1}, {1}, BOTH(TL_ERR_FORMAT)},
    {"sizes that overflow", "FloatStorage", 6, 0, 2, 2, {WIDE, WIDE}, {0, 0}, BOTH(TL_ERR_LIMIT)},
    {"strides that overflow", "FloatStorage", 6, 0, 2, 2, {3, 3}, {INT64_MAX, INT64_MAX}, BOTH(TL_ERR_LIMIT)},
    {"sizes that overflow, without an element", "FloatStorage", 6, 0, 3, 3, {WIDE, WIDE, 0}, {1, 1, 1}, BOTH(TL_ERR_LIMIT)},
    {"nine dimensions", "FloatStorage", 6, 0, 9, 9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}, BOTH(TL_ERR_LIMIT)},
    {"more sizes than strides", "FloatStorage", 6, 0, 2, 1, {2, 3}, {1}, BOTH(TL_ERR_FORMAT)},
    {"a tensor of 2^40 elements that are one", "FloatStorage", 6, 0, 1, 1, {INT64_C(1) << 40}, {0}, BOTH(TL_OK)},
    {"a wider type than the bytes are for", "DoubleStorage", 6, 0, 1, 1, {6}, {1}, TL_ERR_FORMAT, TL_ERR_TRUNCATED},
    {"bools that are neither 0 nor 1", "BoolStorage", 24, 0, 1, 1, {6}, {1}, BOTH(TL_ERR_FORMAT)},
    {"a storage of a type that is unknown", "TimeStorage", 6, 0, 1, 1, {6}, {1}, BOTH(TL_ERR_UNSAFE)},
    {"a type of 16 bits", "ShortStorage", 12, 0, 1, 1, {12}, {1}, BOTH(TL_ERR_UNSUPPORTED)},
};

static struct bytes pickle_of(const struct geometry *g)
{
    struct bytes b = {0};

    tensor_pickle(&b, g->type, g->numel, g->offset, g->sizes, g->n_sizes, g->strides, g->n_strides);
    return b;
}

static void check_geometry(const struct geometry *g)
{
    struct bytes b = pickle_of(g);
    struct legacy l = {.object = b, .count = (uint64_t)g->numel, .data = six, .n = sizeof six};

    is_string(tl_status_name(attack_archived(&b)), tl_status_name(g->archived), "%s", g->what);
    is_string(tl_status_name(attack_legacy(&l)), tl_status_name(g->legacy), "%s, in the old form", g->what);
    free(b.data);
}

/* Every number of the first geometry by each that breaks programs: an error, or a tensor that its storage has. */
static void check_numbers(void)
{
    for (size_t v = 0; v < N_BREAKERS; v++)
        for (int sign = 0; sign < 2; sign++)
            for (int k = 0; k < 7; k++) {
                struct geometry g = geometries[0];
                int64_t *const numbers[] = {&g.numel, &g.offset, &g.sizes[0], &g.sizes[1], &g.strides[0], &g.strides[1]};
                int64_t breaker = (int64_t)(sign ? 0 - breakers[v] : breakers[v]);
                if (k < 6)
                    *numbers[k] = breaker;
                struct bytes b = pickle_of(&g);
                struct legacy l = {.object = b, .count = (uint64_t)(k == 6 ? breaker : g.numel), .data = six, .n = sizeof six};
                tl_status here = k < 6 ? attack_archived(&b) : TL_ERR_FORMAT, there = attack_legacy(&l);
                int64_t end = g.offset + (g.sizes[0] - 1) * g.strides[0] + (g.sizes[1] - 1) * g.strides[1];
                bool small = breaker >= 0 && breaker <= 255, inside = small && g.numel == 6 && k < 6 && (end < 6 || g.sizes[0] * g.sizes[1] == 0);
                if ((here == TL_OK) != inside || (there == TL_OK) != inside)
                    complain(inside ? "a tensor that fits is refused" : "a tensor that does not fit is made", "");
                free(b.data);
            }
}

/* What surrounds the object there. */
static void check_old_form(void)
{
    static const char *const versions[] = {"\x80\x02M\xe8\x03.", "\x80\x02N.", "\x80\x02" "cos\nsystem\nU\x04true\x85R."};
    static const tl_status version_codes[] = {TL_ERR_UNSUPPORTED, TL_ERR_UNSUPPORTED, TL_ERR_UNSAFE};
    static const struct {
        const char *what, *keys;
        tl_status code;
    } lists[] = {
        {"a storage that is listed twice", "\x80\x02](U\x01" "0U\x01" "0e.", TL_ERR_FORMAT},
        {"one that no tensor has", "\x80\x02]U\x01" "1a.", TL_ERR_FORMAT},
        {"no list", "\x80\x02N.", TL_ERR_FORMAT},
        {"none in the list", "\x80\x02].", TL_ERR_FORMAT},
        {"a number in the list", "\x80\x02]K\x00" "a.", TL_ERR_FORMAT},
        {"os.system in the list", "\x80\x02" "cos\nsystem\nU\x04true\x85R.", TL_ERR_UNSAFE},
    };
    struct bytes object = pickle_of(&geometries[0]), words_of = {0};
    struct legacy l = {.object = object, .count = 6, .data = six, .n = sizeof six};

    is_string(tl_status_name(attack_legacy(&l)), "OK", "the old form itself");
    for (int i = 0; i < 3; i++) {
        words(&words_of, versions[i]);
        l.version = words_of;
        is_string(tl_status_name(attack_legacy(&l)), tl_status_name(version_codes[i]), "version %d", i);
        l.version = (struct bytes){0};
        words_of.n = 0;
    }
    words(&words_of, "\x80\x02}U\x0dlittle_endian\x89s.");
    l.system = words_of;
    is_string(tl_status_name(attack_legacy(&l)), "UNSUPPORTED", "big-endian numbers");
    l.system = (struct bytes){0};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        words_of.n = 0;
        words(&words_of, lists[i].keys);
        l.keys = words_of;
        is_string(tl_status_name(attack_legacy(&l)), tl_status_name(lists[i].code), "%s", lists[i].what);
    }
    words_of.n = 0;
    words(&words_of, "\x80\x02");
    repeat(&words_of, "]", 1000000);
    repeat(&words_of, "a", 999999);
    words(&words_of, ".");
    l.keys = words_of;
    is_string(tl_status_name(attack_legacy(&l)), "LIMIT", "a million lists in the list");
    l.keys = (struct bytes){0};
    l.n--;
    is_string(tl_status_name(attack_legacy(&l)), "TRUNCATED", "a byte less");
    free(words_of.data);
    free(object.data);
}

/* ---- Pickles of other things ---- */

/* None has a storage. The old form, whose pickles are several, lets each multiply half as far. */
static void pickle_codes(const char *what, struct bytes *pickle, tl_status code, tl_status old)
{
    is_string(tl_status_name(attack_archived(pickle)), tl_status_name(code), "%s", what);
    struct bytes empty = {0};
    struct legacy l = {.object = *pickle};
    words(&empty, "\x80\x02].");
    l.keys = empty;
    struct bytes b = legacy_bytes(&l);
    is_string(tl_status_name(attack("legacy.pth", b.data, b.n - 8, NULL)), tl_status_name(old), "%s, in the old form", what);
    free(b.data);
    free(empty.data);
    free(pickle->data);
    *pickle = (struct bytes){0};
}

static void pickle_is(const char *what, struct bytes *pickle, tl_status code)
{
    pickle_codes(what, pickle, code, code);
}

static void check_pickles(void)
{
    struct bytes b = {0};

    words(&b, "\x80\x02");
    repeat(&b, "]", 1000000);
    repeat(&b, "a", 999999);
    words(&b, ".");
    pickle_is("a million lists in each other", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02");
    repeat(&b, "(", 3000000);
    words(&b, ".");
    pickle_codes("three million marks", &b, TL_ERR_FORMAT, TL_ERR_LIMIT);
    words(&b, "\x80\x02(t.");
    pickle_is("nothing between a mark and its end", &b, TL_OK);
    words(&b, "\x80\x02(.");
    pickle_is("a mark and no value", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02]q");
    bytes_add(&b, "\0h\0a.", 5);
    pickle_is("a list in itself", &b, TL_ERR_LIMIT);
    /* Ten of the former one, thirty times. */
    words(&b, "\x80\x02]q");
    bytes_add(&b, "\0]a", 3);
    for (unsigned char i = 1; i < 30; i++) {
        const unsigned char get[2] = {'h', (unsigned char)(i - 1)}, put[2] = {'q', i};
        words(&b, "]");
        bytes_add(&b, put, 2);
        words(&b, "(");
        for (int k = 0; k < 10; k++)
            bytes_add(&b, get, 2);
        words(&b, "e");
    }
    words(&b, ".");
    pickle_is("10^29 values of a hundred", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02");
    repeat(&b, "N", 5000000);
    words(&b, ".");
    pickle_is("five million values", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02");
    repeat(&b, "]", 4000000);
    words(&b, ".");
    pickle_is("four million lists", &b, TL_ERR_LIMIT);
    words(&b, "\x80\x02Nr\xff\xff\xff\x7f.");
    pickle_is("place 2^31 of the memo", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02X\xff\xff\xff\xffx.");
    pickle_is("a text of 4 GiB", &b, TL_ERR_TRUNCATED);
    words(&b, "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.");
    pickle_is("a text of 2^64 bytes", &b, TL_ERR_TRUNCATED);
    words(&b, "\x80\x02\x8b\xff\xff\xff\xffx.");
    pickle_is("a number of 4 GiB", &b, TL_ERR_TRUNCATED);
    words(&b, "\x80\x09N.");
    pickle_is("protocol 9", &b, TL_ERR_UNSUPPORTED);
    words(&b, "\x80\x02\x82\x01.");
    pickle_is("code by number", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "cos\nsystem\nU\x04true\x85R.");
    pickle_is("os.system", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "cbuiltins\neval\n.");
    pickle_is("eval", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02(U\x04truecos\nsystem\no.");
    pickle_is("os.system as an object", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02(U\x04trueios\nsystem\n.");
    pickle_is("os.system as an instance", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x04\x8c\x02os\x8c\x06system\x93.");
    pickle_is("os.system by its parts", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "ctorch.nn.modules.linear\nLinear\n)\x81}b.");
    pickle_is("a module", &b, TL_ERR_UNSAFE);
    words(&b, "\x80\x02" "ccollections\nOrderedDict\nU\x01xU\x01y\x86R.");
    pickle_is("a dictionary of odd arguments is empty", &b, TL_OK);
    words(&b, "\x80\x02" "ctorch\nFloatStorage\n)R.");
    pickle_is("a call of a type", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02}U\x01xN.");
    pickle_is("no dictionary at the end", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02}(U\x01xu.");
    pickle_is("a key without a value", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02NNs.");
    pickle_is("an empty stack", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02" "ccollections\nOrderedDict\n]]U\x01xaa\x85R.");
    pickle_is("a dictionary of what is no pairs", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02" "ccollections\nOrderedDict\n](](U\x01xK\x01" "e](U\x01xK\x02" "ee\x85R.");
    pickle_is("pairs with the same key", &b, TL_ERR_FORMAT);
    words(&b, "\x80\x02}(U\x01xK\x01U\x01xK\x02u.");
    pickle_is("a key that is set twice", &b, TL_ERR_FORMAT);
}

int main(void)
{
    damage_begin("formats_pickles");
    if (tl_state_can_save("x.pth") != TL_OK)
        return skip_all("Telar was built without zlib: .pth is NOT tested");
    begin();
    for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
        check_geometry(&geometries[i]);
    check_old_form();
    check_pickles();
    end("pickles", 100);
    begin();
    check_numbers();
    end("numbers of pickles", 400);
    damage_end();
    return done_testing();
}
