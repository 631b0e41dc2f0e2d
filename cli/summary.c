/* SPDX-License-Identifier: Apache-2.0
 *
 * telar summary: a model's layers and what they cost. It is built and walked on the device "meta", so that no backend is opened.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void json_memory(struct json *to, const tl_summary *s, const char *optimizer)
{
    struct tl_summary_memory m = tl_summary_memory(s);
    json_key(to, "memory");
    json_open(to, '{');
    json_integer_of(to, "parameters", m.parameters);
    json_integer_of(to, "buffers", m.buffers);
    json_integer_of(to, "input", tl_summary_totals(s).input_bytes);
    json_integer_of(to, "inference", m.inference);
    json_text_of(to, "optimizer", optimizer);
    json_text_of(to, "untrained", tl_summary_untrained(s));
    if (m.training) {
        json_integer_of(to, "gradients", m.gradients);
        json_integer_of(to, "state", m.state);
        json_integer_of(to, "saved", m.saved);
        json_integer_of(to, "training", m.training);
    }
    json_close(to, '}');
}

static void json_summary(const struct job *j, const tl_summary *s, const char *optimizer)
{
    struct tl_summary_totals t = tl_summary_totals(s);
    struct json to = json_new(stdout);
    json_open(&to, '{');
    json_text_of(&to, "model", j->model->name);
    json_text_of(&to, "options", j->options);
    json_integer_of(&to, "parameters", t.parameters);
    json_integer_of(&to, "trainable", t.trainable);
    json_integer_of(&to, "multiply_adds", t.multiply_adds);
    json_integer_of(&to, "input_bytes", t.input_bytes);
    json_integer_of(&to, "output_bytes", t.output_bytes);
    json_integer_of(&to, "weight_bytes", t.weight_bytes);
    json_memory(&to, s, optimizer);
    json_key(&to, "layers");
    json_open(&to, '[');
    for (size_t i = 0; i < tl_summary_count(s); i++) {
        const struct tl_summary_row *r = tl_summary_at(s, i);
        json_open(&to, '{');
        json_text_of(&to, "name", r->name);
        json_text_of(&to, "kind", r->kind);
        json_integer_of(&to, "depth", r->depth);
        if (r->idle || r->failed)
            json_text_of(&to, "shape", NULL);
        else
            json_shape_of(&to, "shape", r->ndim, r->shape);
        json_integer_of(&to, "parameters", r->parameters);
        json_integer_of(&to, "multiply_adds", r->multiply_adds);
        if (r->failed)
            json_bool_of(&to, "failed", true);
        json_close(&to, '}');
    }
    json_close(&to, ']');
    json_close(&to, '}');
    json_end(&to);
}

static tl_status summarize(struct job *j, const struct invocation *v, int *code)
{
    int64_t shape[TL_MAX_DIMS];
    int ndim = job_input(j, v, shape);
    if (ndim < 0) {
        *code = EXIT_USAGE;
        return TL_OK;
    }
    double lr, momentum;
    const char *optimizer = usual_optimizer(j->model, v, &lr, &momentum);
    tl_summary *s = NULL;
    TL_SCOPE {
        tl_tensor *x = tl_model_example(j->model, j->config, ndim, shape);
        s = x ? tl_summarize_inputs(j->net, &x, 1, .partly = true, .optimizer = optimizer, .momentum = momentum) : NULL;
    }
    if (!s)
        return tl_error_code();
    char *text = v->set.json ? NULL : tl_summary_to_string(s);
    if (v->set.json)
        json_summary(j, s, optimizer);
    else if (text)
        fputs(text, stdout);
    free(text);
    tl_summary_free(s);
    return tl_error_code();
}

int run_summary(const struct invocation *v)
{
    struct job j = {0};
    int code = EXIT_OK;
    tl_status s = TL_ERR_DEVICE;
    TL_DEVICE("meta") {
        s = job_model(&j, v);
        if (s == TL_OK)
            s = job_net(&j, v);
        if (s == TL_OK)
            s = summarize(&j, v, &code);
    }
    job_free(&j);
    return s == TL_OK ? code : failed();
}
