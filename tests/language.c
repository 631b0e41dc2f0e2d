/* SPDX-License-Identifier: Apache-2.0
 *
 * Language models: every batch's loss as PyTorch's (tests/golden/make_language.py), with states carried on and without; the data set "text",
 * what it gives and what it refuses; drawing tokens.
 */
#include <math.h>
#include <unistd.h>

#include "files.h"
#include "golden.h"
#include <telar/nn.h>

static char text_path[1100];

/* ---- Losses ---------------------------------------------------------------------------------------------------------------- */

struct losses {
    FILE *want;
    int64_t n;
    double worst;
};

static tl_status compare(const struct tl_fit_event *e, void *ctx)
{
    struct losses *l = ctx;
    double off = l->n > 0 ? fabs(e->loss - golden_number(l->want)) : INFINITY;
    l->n--;
    l->worst = off > l->worst || isnan(off) ? off : l->worst;
    return TL_OK;
}

static void test_run(FILE *f, const char *name, const char *model, const char *options, const char *data_options, int64_t batch, int64_t epochs)
{
    char word[64];
    golden_word(f, word, sizeof word);
    is_string(word, name, "the runs are the file's");
    struct losses l = {f, golden_integer(f), 0};
    const struct tl_model *m = tl_model_find(model);
    tl_dataset *d = tl_data_open("text", .path = text_path, .split = "train", .options = data_options);
    char *fitting = m && d ? tl_model_options_for(m, options, tl_dataset_info(d)) : NULL;
    struct tl_config *c = fitting ? tl_model_configure(m, fitting) : NULL;
    struct tl_job j;
    tl_manual_seed(3);
    tl_module *net = c && tl_job_start(&j, m, c, tl_dataset_info(d)) == TL_OK ? tl_model_build_with(m, c) : NULL;
    tl_optimizer *adam = net ? tl_adam(net, 5e-3) : NULL;
    tl_loader *loader = adam ? tl_loader_new(d, .batch_size = batch, .shuffle = tl_dataset_info(d)->streams == 0) : NULL;
    struct tl_fit_options o = {.struct_size = sizeof o, .epochs = epochs, .clip_norm = 1, .on_batch = compare, .callback_ctx = &l};
    if (loader)
        tl_job_fit_options(&j, &o);
    tl_status s = loader ? tl_fit_with(net, loader, adam, &o) : tl_error_code();
    ok(s == TL_OK && l.n == 0 && l.worst < 1e-5, "%s: every loss is PyTorch's (%g off at most, %lld batches missing): %s", name, l.worst,
       (long long)l.n, tl_error_message());
    while (l.n-- > 0)
        golden_number(f);
    tl_error_clear();
    tl_loader_free(loader);
    tl_optimizer_free(adam);
    tl_module_free(net);
    tl_config_free(c);
    free(fitting);
    tl_dataset_free(d);
}

static void test_losses(void)
{
    FILE *f = golden_open("language.txt");
    test_run(f, "rnn", "rnn", "embedding=0,hidden=24", "seq=16", 8, 2);
    test_run(f, "lstm", "lstm", "embedding=12,hidden=24,layers=2,dropout=0.2", "seq=16", 8, 3);
    test_run(f, "gru", "gru", "embedding=20,hidden=20,tied", "seq=16", 8, 2);
    test_run(f, "lstm-streams", "lstm", "embedding=12,hidden=24,layers=2", "seq=16,streams=4", 4, 2);
    fclose(f);
}

/* ---- Data ------------------------------------------------------------------------------------------------------------------ */

static const char *write_text(const char *content, size_t size)
{
    return files_write("small.txt", content, size);
}

#define OPEN(content, ...) tl_data_open("text", .path = write_text(content, sizeof(content) - 1), __VA_ARGS__)

static void is_tokens(tl_tensor *t, const char *want, const char *what)
{
    char got[200] = "";
    for (int64_t i = 0; t && i < tl_numel(t); i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%lld", i ? " " : "", (long long)((const int64_t *)tl_data(t))[i]);
    is_string(got, want, "%s", what);
}

static void test_windows(void)
{
    tl_tensor *fields[TL_MAX_FIELDS];
    tl_dataset *d = OPEN("abcañ\nabc\\", .split = "all", .options = "seq=3");
    const struct tl_dataset_info *info = tl_dataset_info(d);
    ok(d && info->size == 3 && info->n_classes == 6 && info->ndim == 1 && info->shape[0] == 3, "windows do not overlap: %s", tl_error_message());
    is_string(d ? info->classes[0] : "", "\\n", "a new line is named");
    is_string(d ? info->classes[1] : "", "\\\\", "and so is a backslash");
    is_string(d ? info->classes[5] : "", "ñ", "others are what they are");
    ok(tl_dataset_get(d, 1, fields) == TL_OK, "a window: %s", tl_error_message());
    is_tokens(fields[0], "2 5 0", "its characters");
    is_tokens(fields[1], "5 0 2", "and those one further on");
    tl_dataset_free(d);
    d = OPEN("0123456789", .split = "all", .options = "seq=3,step=2");
    ok(d && tl_dataset_info(d)->size == 4, "steps of 2: %s", tl_error_message());
    tl_dataset_free(d);
    d = OPEN("0123456789", .split = "test", .test_share = 0.4, .options = "seq=3");
    ok(d && tl_dataset_info(d)->size == 1 && tl_dataset_info(d)->n_classes == 10 && tl_dataset_get(d, 0, fields) == TL_OK,
       "the test part, with all characters: %s", tl_error_message());
    is_tokens(d ? fields[0] : NULL, "6 7 8", "is the end of the text");
    tl_dataset_free(d);
    d = OPEN("cab", .split = "all", .options = "seq=2,vocabulary=bca\\\\n");
    ok(d && tl_dataset_info(d)->n_classes == 4 && tl_dataset_get(d, 0, fields) == TL_OK, "a vocabulary of one's own: %s", tl_error_message());
    is_tokens(d ? fields[0] : NULL, "1 2", "its order counts");
    tl_dataset_free(d);
    tl_error_clear();
}

static void test_streams(void)
{
    tl_tensor *fields[TL_MAX_FIELDS];
    tl_dataset *d = OPEN("abcdefghijklmnopqrstu", .split = "all", .options = "seq=3,streams=2");
    ok(d && tl_dataset_info(d)->size == 6 && tl_dataset_info(d)->streams == 2 && tl_dataset_info(d)->n_fields == 3, "two streams: %s",
       tl_error_message());
    ok(d && tl_dataset_batch(d, (const int64_t[]){0, 1, 2, 5}, 4, fields) == TL_OK, "a batch of them: %s", tl_error_message());
    is_tokens(d ? fields[0] : NULL, "0 1 2 9 10 11 3 4 5 15 16 17", "sample 2 follows sample 0, 5 follows 3");
    is_tokens(d ? fields[1] : NULL, "0 0 3 6", "where in their streams they begin");
    tl_dataset_free(d);
    tl_error_clear();
}

static void test_refusals(void)
{
#define REFUSED(expression, status, part)                                                                       \
    do {                                                                                                         \
        tl_error_clear();                                                                                        \
        ok(!(expression) && tl_error_code() == (status), "refused: %s: %s", part, tl_error_message());           \
        contains(tl_error_message(), part, "and says why");                                                      \
    } while (0)
    REFUSED(tl_data_open("text"), TL_ERR_ARGUMENT, "which file?");
    REFUSED(tl_data_open("text:nowhere.txt"), TL_ERR_NOT_FOUND, "nowhere.txt");
    REFUSED(tl_data_open("text:a.txt", .path = "b.txt"), TL_ERR_ARGUMENT, "gives another");
    REFUSED(OPEN("", .split = "all"), TL_ERR_SHAPE, "0 characters are too few");
    REFUSED(OPEN("short", .split = "all", .options = "seq=5"), TL_ERR_SHAPE, "5 characters are too few");
    REFUSED(OPEN("ab\xff", .split = "all", .options = "seq=1"), TL_ERR_FORMAT, "byte 2, 0xff");
    REFUSED(OPEN("ab\xc3", .split = "all", .options = "seq=1"), TL_ERR_FORMAT, "byte 2");
    REFUSED(OPEN("ab\xc0\x80z", .split = "all", .options = "seq=1"), TL_ERR_FORMAT, "byte 2");
    REFUSED(OPEN("ab\xed\xa0\x80", .split = "all", .options = "seq=1"), TL_ERR_FORMAT, "byte 2");
    REFUSED(OPEN("abc", .split = "all", .options = "seq=1,vocabulary=ab"), TL_ERR_INDEX, "U+0063 is not in the vocabulary");
    REFUSED(OPEN("abc", .split = "all", .options = "seq=1,vocabulary=aba"), TL_ERR_ARGUMENT, "twice");
    REFUSED(OPEN("abc", .split = "all", .options = "seq=1,vocabulary=a\\\\q"), TL_ERR_ARGUMENT, "has no character at");
    tl_error_clear();
    const struct tl_model *m = tl_model_find("lstm");
    struct tl_config *c = tl_model_configure(m, "tied");
    REFUSED(tl_model_build_with(m, c), TL_ERR_ARGUMENT, "embedding is 64, hidden 256");
    tl_config_free(c);
    tl_module *net = tl_model_build("gru", "vocabulary=5,hidden=4,embedding=3");
    REFUSED(tl_forward(net, tl_zeros(TL_SHAPE(2, 3), (struct tl_options){0})), TL_ERR_SHAPE, "takes tokens [n, t]");
    REFUSED(tl_forward(net, tl_full(TL_SHAPE(2, 3), 5, (struct tl_options){.dtype = TL_I64})), TL_ERR_INDEX, "index 5");
    tl_module_free(net);
    tl_error_clear();
}

/* ---- Drawing --------------------------------------------------------------------------------------------------------------- */

static void test_sampling(void)
{
    enum { ROWS = 4000 };
    tl_generator *g = tl_generator_new(1);
    tl_tensor *logits = tl_log(tl_tensor_f32(TL_SHAPE(1, 4), 0.1f, 0.4f, 0.2f, 0.3f));
    is_tokens(tl_sample_tokens(logits, 0, 0, g), "1", "temperature 0: the most likely");
    is_tokens(tl_sample_tokens(logits, 5, 1, g), "1", "one candidate: the most likely");
    const int64_t *drawn = tl_data(tl_sample_tokens(tl_contiguous(tl_expand(logits, TL_SHAPE(ROWS, 4))), 1, 0, g));
    int64_t counts[4] = {0}, few[4] = {0};
    for (int i = 0; drawn && i < ROWS; i++)
        counts[drawn[i]]++;
    for (int i = 0; i < 4; i++)
        ok(fabs((double)counts[i] / ROWS - (const double[]){0.1, 0.4, 0.2, 0.3}[i]) < 0.03, "token %d comes as often as it should: %lld", i,
           (long long)counts[i]);
    drawn = tl_data(tl_sample_tokens(tl_contiguous(tl_expand(logits, TL_SHAPE(ROWS, 4))), 1, 2, g));
    for (int i = 0; drawn && i < ROWS; i++)
        few[drawn[i]]++;
    ok(drawn && few[0] == 0 && few[2] == 0 && few[3] > 0 && few[1] > few[3], "of the two most likely only");
    REFUSED(tl_sample_tokens(logits, -1, 0, g), TL_ERR_ARGUMENT, "temperature of -1");
    REFUSED(tl_sample_tokens(tl_select(logits, 0, 0), 1, 0, g), TL_ERR_SHAPE, "[n, classes]");
    REFUSED(tl_sample_tokens(tl_full(TL_SHAPE(1, 3), NAN, (struct tl_options){0}), 1, 0, g), TL_ERR_ARGUMENT, "row 0 are NaN");
    tl_generator_free(g);
    tl_error_clear();
}

/* A sequence in one piece and token by token, the state handed on: the same logits. */
static void test_advance(void)
{
    const struct tl_model *m = tl_model_find("lstm");
    struct tl_config *c = tl_model_configure(m, "vocabulary=9,hidden=6,layers=2");
    tl_module *net = tl_model_build_with(m, c);
    tl_tensor *tokens = tl_model_example(m, c, TL_SHAPE(2, 7)), *whole = tl_forward(net, tokens), *piece[7];
    struct tl_rnn_state s = {NULL, NULL};
    for (int t = 0; t < 7; t++)
        piece[t] = m->advance(c, net, tl_narrow(tokens, 1, t, 1), &s);
    ok(tl_allclose(tl_cat(7, piece, 1), whole, 1e-5, 1e-6), "token by token: %s", tl_error_message());
    tl_module_free(net);
    tl_config_free(c);
    tl_error_clear();
}

/* Tokens are i64: a summary is made of what the model takes. */
static void test_summary(void)
{
    const struct tl_model *m = tl_model_find("gru");
    struct tl_config *c = tl_model_configure(m, "vocabulary=9,hidden=6,embedding=4");
    tl_module *net = tl_model_build_with(m, c);
    tl_tensor *tokens = tl_model_example(m, c, TL_SHAPE(2, 7));
    tl_summary *s = tl_summarize_inputs(net, &tokens, 1);
    const struct tl_summary_row *r = tl_summary_at(s, 2);
    ok(r && strcmp(r->kind, "GRU") == 0 && r->parameters == 3 * 6 * (4 + 6 + 2) && r->multiply_adds == 14 * 3 * 6 * (4 + 6),
       "the row of a recurrent layer: %s", tl_error_message());
    ok(s && tl_summary_totals(s).input_bytes == 14 * 8, "the input's bytes are those of i64");
    tl_summary_free(s);
    REFUSED(tl_summarize(net, TL_SHAPE(2, 7)), TL_ERR_SHAPE, "takes tokens");
    REFUSED(tl_summarize_inputs(net, NULL, 1), TL_ERR_ARGUMENT, "input 0 is NULL");
    tl_module_free(net);
    tl_config_free(c);
    tl_error_clear();
}

/* Lengths come as the middle field of a batch. */
static void test_lengths(void)
{
    const struct tl_model *m = tl_model_find("sequence-classifier");
    struct tl_config *c = tl_model_configure(m, "steps=6,features=3,hidden=5,bidirectional,layers=2");
    tl_module *net = tl_model_build_with(m, c);
    tl_tensor *x = tl_randn(TL_SHAPE(2, 6, 3), (struct tl_options){0}), *labels = tl_tensor_i64(TL_SHAPE(2), 0, 1);
    tl_tensor *batch[3] = {x, tl_tensor_i64(TL_SHAPE(2), 4, 6), labels}, *y = m->forward(c, net, batch, 3);
    tl_tensor *first = tl_forward(net, tl_narrow(tl_narrow(x, 0, 0, 1), 1, 0, 4));
    ok(tl_allclose(tl_narrow(y, 0, 0, 1), first, 1e-5, 1e-6), "a shorter sample is what it is alone: %s", tl_error_message());
    ok(tl_allclose(tl_select(y, 0, 1), tl_select(tl_forward(net, x), 0, 1), 1e-5, 1e-6), "and one of full length what it was");
    ok(tl_equal(m->forward(c, net, (tl_tensor *[]){x, labels}, 2), tl_forward(net, x)), "without lengths all steps count");
    tl_module_free(net);
    tl_config_free(c);
    tl_error_clear();
}

int main(void)
{
    const char *folder = getenv("TEST_SRCDIR");
    snprintf(text_path, sizeof text_path, "%s/tests/golden/language_text.txt", folder ? folder : TEST_SRCDIR);
    files_begin("language");
    TL_SCOPE test_losses();
    TL_SCOPE test_windows();
    TL_SCOPE test_streams();
    TL_SCOPE test_refusals();
    TL_SCOPE test_sampling();
    TL_SCOPE test_advance();
    TL_SCOPE test_summary();
    TL_SCOPE test_lengths();
    files_end();
    return done_testing();
}
