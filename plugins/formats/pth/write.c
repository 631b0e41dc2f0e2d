/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the zip form: one dictionary of tensors by name, each with a storage of its own, in a pickle of protocol 2 that names nothing
 * but what torch.load(weights_only=True) allows. Notes are a record beside it, which PyTorch passes over.
 */
#include "write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../common/bytes.h"
#include "../common/notes.h"
#include "../common/text.h"

#define TOP "archive/"

static void append_text(struct text *t, const char *s)
{
    unsigned char head[5] = {'X'};

    store_le(head + 1, strlen(s), 4);
    text_append(t, head, sizeof head);
    text_append_words(t, s);
}

static void append_int(struct text *t, int64_t v)
{
    unsigned char bytes[10] = {0x8a, 8};

    if (v >= 0 && v <= INT32_MAX) {
        bytes[0] = 'J';
        store_le(bytes + 1, (uint64_t)v, 4);
        text_append(t, bytes, 5);
        return;
    }
    store_le(bytes + 2, (uint64_t)v, 8);
    text_append(t, bytes, sizeof bytes);
}

static const char *storage_type(tl_dtype t)
{
    static const char *const names[TL_DTYPE_COUNT] = {
        [TL_F32] = "FloatStorage", [TL_F64] = "DoubleStorage", [TL_F16] = "HalfStorage", [TL_BF16] = "BFloat16Storage", [TL_I8] = "CharStorage",
        [TL_U8] = "ByteStorage",   [TL_I32] = "IntStorage",    [TL_I64] = "LongStorage", [TL_BOOL] = "BoolStorage"};

    return (unsigned)t < TL_DTYPE_COUNT ? names[t] : NULL;
}

/* Values that every tensor needs are pickled once, and then taken from the memo by these numbers. */
enum { MEMO_REBUILD, MEMO_STORAGE, MEMO_CPU, MEMO_DICT, MEMO_TYPE /* and one for each element type */ };

/* From the memo, or true: then it is to be pickled, and append_put() comes next. */
static bool append_get(struct text *t, bool *there, unsigned char number)
{
    const unsigned char get[2] = {'h', number};

    if (*there)
        text_append(t, get, 2);
    return !*there;
}

static void append_put(struct text *t, bool *there, unsigned char number)
{
    const unsigned char put[2] = {'q', number};

    text_append(t, put, 2);
    *there = true;
}

static void append_global(struct text *t, bool *there, unsigned char number, const char *module, const char *name)
{
    if (!append_get(t, there, number))
        return;
    text_append_words(t, "c");
    text_append_words(t, module);
    text_append_words(t, "\n");
    text_append_words(t, name);
    text_append_words(t, "\n");
    append_put(t, there, number);
}

static void append_shared_text(struct text *t, bool *there, unsigned char number, const char *words)
{
    if (!append_get(t, there, number))
        return;
    append_text(t, words);
    append_put(t, there, number);
}

static void append_sizes(struct text *t, int n, const int64_t *sizes)
{
    text_append_words(t, "(");
    for (int d = 0; d < n; d++)
        append_int(t, sizes[d]);
    text_append_words(t, "t");
}

/* _rebuild_tensor_v2(storage, 0, sizes, strides, False, OrderedDict()), where the storage is ("storage", type, key, "cpu", elements). */
static void append_tensor(struct text *t, bool there[MEMO_TYPE + TL_DTYPE_COUNT], size_t number, tl_tensor *tensor)
{
    char key[24];
    int64_t stride = 1, strides[TL_MAX_DIMS];
    unsigned char type = (unsigned char)(MEMO_TYPE + tl_dtype_of(tensor));

    for (int d = tl_ndim(tensor) - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= tl_shape(tensor)[d] > 1 ? tl_shape(tensor)[d] : 1;
    }
    append_global(t, &there[MEMO_REBUILD], MEMO_REBUILD, "torch._utils", "_rebuild_tensor_v2");
    text_append_words(t, "((");
    append_shared_text(t, &there[MEMO_STORAGE], MEMO_STORAGE, "storage");
    append_global(t, &there[type], type, "torch", storage_type(tl_dtype_of(tensor)));
    snprintf(key, sizeof key, "%zu", number);
    append_text(t, key);
    append_shared_text(t, &there[MEMO_CPU], MEMO_CPU, "cpu");
    append_int(t, tl_numel(tensor));
    text_append_words(t, "tQ");
    append_int(t, 0);
    append_sizes(t, tl_ndim(tensor), tl_shape(tensor));
    append_sizes(t, tl_ndim(tensor), strides);
    text_append_words(t, "\x89");
    append_global(t, &there[MEMO_DICT], MEMO_DICT, "collections", "OrderedDict");
    text_append_words(t, ")RtR");
}

static tl_status check(const tl_state *from)
{
    for (size_t i = 0; i < tl_state_count(from); i++) {
        tl_tensor *t = tl_state_at(from, i);
        if (!storage_type(tl_dtype_of(t)))
            return tl_fail(TL_ERR_DTYPE, "tensor \"%.200s\" has an element type that PyTorch does not know", tl_state_name(from, i));
        if (!text_is_utf8(tl_state_name(from, i)))
            return tl_fail(TL_ERR_ARGUMENT, "tensor %zu cannot be named \"%.200s\": names in a pickle are UTF-8", i, tl_state_name(from, i));
    }
    return TL_OK;
}

static tl_status write_pickle(const tl_state *from, struct zip_writer *w)
{
    struct text t = {0};
    bool there[MEMO_TYPE + TL_DTYPE_COUNT] = {false};

    text_append(&t, "\x80\x02}(", 4);
    for (size_t i = 0; i < tl_state_count(from); i++) {
        append_text(&t, tl_state_name(from, i));
        append_tensor(&t, there, i, tl_state_at(from, i));
    }
    text_append_words(&t, "u.");
    tl_status s = t.failed ? tl_fail(TL_ERR_NOMEM, "no memory for a pickle of %zu tensors", tl_state_count(from)) : zip_put(w, TOP "data.pkl", t.data, t.size);
    free(t.data);
    return s;
}

tl_status write_pth(const tl_state *from, FILE *to)
{
    struct zip_writer w = {.to = to};
    char name[40];
    tl_status s = check(from);

    if (s == TL_OK)
        s = write_pickle(from, &w);
    if (s == TL_OK)
        s = zip_put(&w, TOP "byteorder", "little", 6);
    for (size_t i = 0; s == TL_OK && i < tl_state_count(from); i++) {
        snprintf(name, sizeof name, TOP "data/%zu", i);
        s = tensor_put(&w, name, NULL, 0, tl_state_at(from, i));
        if (s != TL_OK)
            tl_error_prefix("tensor \"%.200s\": ", tl_state_name(from, i));
    }
    if (s == TL_OK)
        s = notes_write(&w, TOP NOTES_NAME, from);
    if (s == TL_OK)
        s = zip_put(&w, TOP "version", "3\n", 2);
    return zip_finish(&w, s == TL_OK) == TL_OK ? s : tl_error_code();
}
