/* SPDX-License-Identifier: Apache-2.0
 *
 * telar graph: a model's forward pass or training step as the program that is recorded of it.
 */
#include <string.h>

#include "cli/cli.h"

struct recording {
    struct job job;
    struct tl_fit_options how; /* the model's loss and step */
    tl_tensor *batch[TL_MAX_FIELDS]; /* kept */
    int fields;
    tl_optimizer *optimizer; /* NULL: a forward pass */
};

static tl_status call_model(void *ctx, tl_tensor *const *in, int n_in, tl_tensor **out, int n_out)
{
    struct recording *r = ctx;
    (void)n_out;
    if (r->optimizer)
        out[0] = tl_detach(tl_fit_step(r->job.net, r->optimizer, in, n_in, &r->how));
    else
        TL_NO_GRAD out[0] = tl_forward(r->job.net, in[0]);
    return tl_error_code();
}

/* What the command line says, or how the model is usually trained. */
static tl_optimizer *make_optimizer(const struct recording *r, const struct invocation *v)
{
    const struct tl_model_training *usual = given(v, "optimizer") ? NULL : tl_model_training(r->job.model);
    const char *name = usual && usual->optimizer ? usual->optimizer : v->set.optimizer;
    bool of_model = usual && usual->optimizer;
    return tl_optimizer_named(name, r->job.net, of_model ? usual->lr : 0, of_model ? usual->momentum : 0, 0);
}

static tl_status prepare(struct recording *r, const struct invocation *v, int *code)
{
    bool train = strcmp(v->set.mode, "train") == 0;
    job_functions(&r->job, &r->how);
    tl_status s = job_example(&r->job, v, &r->how, r->batch, &r->fields, code);
    if (s != TL_OK || *code != EXIT_OK)
        return s;
    tl_eval(r->job.net);
    if (!train)
        return TL_OK;
    s = job_example_labels(&r->job, r->batch, &r->fields);
    tl_train(r->job.net);
    r->optimizer = s == TL_OK ? make_optimizer(r, v) : NULL;
    return r->optimizer ? TL_OK : tl_error_code();
}

static unsigned format_of(const struct invocation *v)
{
    const char *format = v->set.format, *part = v->set.part;
    unsigned f = strcmp(format, "dot") == 0 ? TL_PROGRAM_DOT : strcmp(format, "json") == 0 ? TL_PROGRAM_JSON : TL_PROGRAM_TEXT;
    if (!given(v, "part"))
        return f; /* which has its own idea of what is useful */
    bool all = strcmp(part, "all") == 0;
    f |= all || strcmp(part, "recorded") == 0 ? TL_PROGRAM_RECORDED : 0u;
    f |= all || strcmp(part, "nodes") == 0 ? TL_PROGRAM_NODES : 0u;
    return f | (all || strcmp(part, "steps") == 0 ? TL_PROGRAM_STEPS : 0u);
}

static tl_status print_recording(struct recording *r, const struct invocation *v)
{
    tl_status s = TL_OK;
    tl_program *p = tl_compile(call_model, r, 1);
    TL_SCOPE {
        tl_tensor *out[1];
        s = tl_program_run(p, r->batch, r->fields, out);
        if (s == TL_OK)
            s = tl_program_print(p, stdout, format_of(v));
    }
    tl_program_free(p);
    return s;
}

int run_graph(const struct invocation *v)
{
    struct recording r = {.how.struct_size = sizeof r.how};
    int code = EXIT_OK;
    tl_status s = set_device(v);
    if (s == TL_OK)
        s = job_model(&r.job, v);
    if (s == TL_OK)
        s = job_net(&r.job, v);
    if (s == TL_OK)
        s = prepare(&r, v, &code);
    if (s == TL_OK && code == EXIT_OK)
        s = print_recording(&r, v);
    for (int i = 0; i < r.fields; i++)
        tl_release(r.batch[i]);
    tl_optimizer_free(r.optimizer);
    job_free(&r.job);
    return s == TL_OK ? code : failed();
}
