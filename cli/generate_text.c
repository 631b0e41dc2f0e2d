/* SPDX-License-Identifier: Apache-2.0
 *
 * telar generate, of a language model: it writes, one character after the other. Which characters its tokens are is noted with the weights, one a line,
 * those that a line cannot hold escaped (plugins/data/text).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct writer {
    struct job *job;
    char **letters; /* what each token stands for, UTF-8 */
    int64_t n;
    tl_generator *generator;
    uint64_t seed;
    struct tl_rnn_state state; /* kept */
    char *text; /* with --json: what was written; NULL: it goes to the terminal as it comes */
    size_t length, capacity;
};

/* ---- Characters ------------------------------------------------------------------------------------------------------------- */

/* A name without its escape, malloc()ed. */
static char *letter_of(const char *name)
{
    static const char escapes[][2] = {{'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}};
    char one[2] = "";
    if (name[0] == '\\' && name[1] == 'x')
        one[0] = (char)strtol(name + 2, NULL, 16);
    for (size_t i = 0; name[0] == '\\' && i < sizeof escapes / sizeof *escapes; i++)
        if (name[1] == escapes[i][0])
            one[0] = escapes[i][1];
    return strdup(one[0] ? one : name);
}

static tl_status read_letters(struct writer *w)
{
    const char *const *names = job_classes(w->job, &w->n);
    if (!names || w->n == 0)
        return tl_fail(TL_ERR_ARGUMENT, "generate: the weights do not say which characters the tokens are; those saved by telar train do");
    w->letters = calloc((size_t)w->n, sizeof *w->letters);
    for (int64_t i = 0; w->letters && i < w->n; i++)
        if (!(w->letters[i] = letter_of(names[i])))
            return tl_fail(TL_ERR_NOMEM, "out of memory");
    return w->letters ? TL_OK : tl_fail(TL_ERR_NOMEM, "out of memory");
}

/* The token that the text begins with; -1: none. */
static int64_t token_at(const struct writer *w, const char *text)
{
    for (int64_t i = 0; i < w->n; i++)
        if (w->letters[i][0] && strncmp(text, w->letters[i], strlen(w->letters[i])) == 0)
            return i;
    return -1;
}

/* The prompt as tokens [1, t]; where there is none, a new line or the first token. */
static tl_tensor *prompt_tokens(const struct writer *w, const char *prompt)
{
    size_t room = prompt ? strlen(prompt) + 1 : 1;
    int64_t *tokens = malloc(room * sizeof *tokens), n = 0;
    if (!tokens) {
        tl_fail(TL_ERR_NOMEM, "out of memory");
        return NULL;
    }
    for (const char *at = prompt; at && *at; at += strlen(w->letters[tokens[n++]])) {
        if ((tokens[n] = token_at(w, at)) < 0) {
            tl_fail(TL_ERR_ARGUMENT, "generate: the model has never seen what stands at byte %zu of the prompt: \"%.10s\"", (size_t)(at - prompt), at);
            free(tokens);
            return NULL;
        }
    }
    if (n == 0) {
        int64_t line = token_at(w, "\n");
        tokens[n++] = line < 0 ? 0 : line;
    }
    tl_tensor *t = tl_from_data(TL_SHAPE(1, n), tokens, (struct tl_options){.dtype = TL_I64});
    free(tokens);
    return t;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------------------ */

static tl_status put(struct writer *w, const char *letter, bool json)
{
    size_t n = strlen(letter);
    if (!json) {
        if (strcmp(letter, "\n") == 0 || strcmp(letter, "\t") == 0)
            fputs(letter, stdout);
        else
            print_harmless(stdout, letter, n);
        return TL_OK;
    }
    if (w->length + n + 1 > w->capacity) {
        size_t wanted = 2 * w->capacity + n + 64;
        char *longer = realloc(w->text, wanted);
        if (!longer)
            return tl_fail(TL_ERR_NOMEM, "out of memory");
        w->text = longer;
        w->capacity = wanted;
    }
    memcpy(w->text + w->length, letter, n + 1);
    w->length += n;
    return TL_OK;
}

/* One step: tokens [1, t] in, the next token out, [1, 1], kept. */
static tl_status step(struct writer *w, tl_tensor **tokens, const struct settings *s)
{
    const struct tl_model *m = w->job->model;
    struct tl_rnn_state before = w->state;
    tl_tensor *next = NULL;
    TL_SCOPE {
        const char *device = tl_default_device();
        tl_tensor *x = device ? tl_to_device(*tokens, device) : NULL;
        tl_tensor *logits = x ? tl_model_advance(m, w->job->config, w->job->net, x, &w->state) : NULL;
        if (logits && (tl_ndim(logits) != 3 || tl_size(logits, 2) != w->n))
            tl_fail(TL_ERR_SHAPE, "generate: model %s does not give one logit for each of the %lld characters", m->name, (long long)w->n);
        else if (logits)
            next = tl_sample_tokens(tl_select(logits, 1, -1), s->temperature, s->top_k, w->generator);
        next = next ? tl_keep(tl_view(next, TL_SHAPE(1, 1))) : NULL;
        if (next) {
            tl_keep(w->state.h);
            tl_keep(w->state.c);
        }
    }
    if (!next) {
        w->state = before;
        return tl_error_code();
    }
    tl_release(before.h);
    tl_release(before.c);
    tl_release(*tokens);
    *tokens = next;
    return TL_OK;
}

static tl_status write_text(struct writer *w, const struct settings *s)
{
    tl_tensor *tokens = tl_keep(prompt_tokens(w, s->prompt));
    tl_status status = tokens ? TL_OK : tl_error_code();
    if (status == TL_OK && s->prompt)
        status = put(w, s->prompt, s->json);
    for (int64_t i = 0; status == TL_OK && i < s->length; i++) {
        status = step(w, &tokens, s);
        int64_t token = status == TL_OK ? tl_item_i64(tokens) : 0;
        if (status == TL_OK)
            status = put(w, w->letters[token], s->json);
        if (i % 32 == 0 || status != TL_OK)
            fflush(stdout);
    }
    tl_release(tokens);
    return status;
}

static void json_text_written(const struct writer *w)
{
    struct json j = json_new(stdout);
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)w->seed);
    json_open(&j, '{');
    json_text_of(&j, "model", w->job->model->name);
    json_text_of(&j, "seed", seed);
    json_text_of(&j, "text", w->text ? w->text : "");
    json_close(&j, '}');
    json_end(&j);
}

tl_status generate_text(struct job *j, const struct invocation *v, uint64_t seed)
{
    struct writer w = {.job = j, .seed = seed, .generator = tl_generator_new(seed)};
    tl_status s = w.generator ? read_letters(&w) : tl_error_code();
    if (s == TL_OK) {
        tl_eval(j->net);
        TL_NO_GRAD TL_SCOPE s = write_text(&w, &v->set);
    }
    if (s == TL_OK && v->set.json)
        json_text_written(&w);
    else if (!v->set.json && w.letters)
        fputc('\n', stdout);
    tl_release(w.state.h);
    tl_release(w.state.c);
    tl_generator_free(w.generator);
    for (int64_t i = 0; w.letters && i < w.n; i++)
        free(w.letters[i]);
    free(w.letters);
    free(w.text);
    return s;
}
