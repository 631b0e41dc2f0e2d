/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary of a network: it is walked on the device "meta", where nothing is computed, while an observer notes every module that runs. So
 * shapes, multiply-adds and memory are those of the ops that are really called, also in modules written by users.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/train/summary.h"

bool summary_grow(void *array, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return true;
    size_t wanted = *capacity ? 2 * *capacity : 32;
    void *grown = realloc(*(void **)array, wanted * size);
    if (!grown)
        return false;
    *(void **)array = grown;
    *capacity = wanted;
    return true;
}

int64_t summary_bytes(const tl_tensor *t)
{
    return tl_numel(t) * (int64_t)tl_dtype_size(tl_dtype_of(t));
}

/* The inputs as they would be on the device, which they are also counted on. */
static tl_status walk_inputs(tl_summary *s, tl_tensor *const *x, int n, tl_tensor **to)
{
    for (int i = 0; i < n; i++) {
        to[i] = tl_empty(tl_ndim(x[i]), tl_shape(x[i]), (struct tl_options){.dtype = tl_dtype_of(x[i]), .device = "meta"});
        if (!to[i])
            return tl_error_code();
        s->totals.input_bytes += summary_bytes(to[i]);
    }
    return TL_OK;
}

static tl_status walk(struct watch *w, struct stand_ins *module, tl_tensor *const *x, int n, tl_tensor **inputs,
                      const struct tl_summary_options *o)
{
    tl_summary *s = w->summary;
    int64_t start = bytes_alive();
    tl_status status = watch_begin(w);
    if (status == TL_OK)
        status = stand_ins_begin(module, w->root);
    if (status == TL_OK)
        status = walk_inputs(s, x, n, inputs);
    if (status != TL_OK)
        return status;
    tl_walk_reset_peak();
    status = watch_forward(w, inputs, n);
    s->memory = (struct tl_summary_memory){.parameters = module->parameters, .buffers = module->buffers, .inference = tl_walk_cost().peak - start};
    s->totals.weight_bytes = module->parameters + module->buffers;
    if (status == TL_OK && o->optimizer)
        summary_walk_training(s, w->root, inputs, n, module, o, start);
    return status;
}

static tl_summary *summarize(tl_module *m, tl_tensor *const *x, int n, const struct tl_summary_options *o)
{
    tl_summary *s = calloc(1, sizeof *s);
    tl_tensor **inputs = calloc((size_t)n, sizeof *inputs);
    if (!s || !inputs || (o->optimizer && !(s->optimizer = strdup(o->optimizer)))) {
        tl_fail(TL_ERR_NOMEM, "summary: out of memory");
        tl_summary_free(s);
        free(inputs);
        return NULL;
    }
    struct watch w = {.summary = s, .root = m};
    struct stand_ins module = {0};
    tl_status status = TL_ERR_DEVICE;
    TL_DEVICE("meta") TL_SCOPE status = walk(&w, &module, x, n, inputs, o);
    stand_ins_end(&module);
    watch_free(&w);
    free(inputs);
    s->broken = w.broken;
    if (status == TL_OK || (o->partly && w.broken && !w.failed))
        return s;
    tl_summary_free(s);
    return NULL;
}

/* ---- Public ----------------------------------------------------------------------------------------------------------- */

tl_summary *tl_summarize_with(tl_module *m, tl_tensor *const *x, int n, const struct tl_summary_options *options)
{
    struct tl_summary_options o = {0};
    if (options)
        memcpy(&o, options, options->struct_size && options->struct_size < sizeof o ? options->struct_size : sizeof o);
    for (int i = 0; i < n || !x; i++)
        if (!x || !x[i]) {
            tl_fail(TL_ERR_ARGUMENT, "summary: input %d is NULL, and no earlier call failed", i);
            return NULL;
        }
    if (!m || n < 1) {
        tl_fail(TL_ERR_ARGUMENT, "summary: a module and one input or more are needed");
        return NULL;
    }
    return summarize(m, x, n, &o);
}

static tl_summary *summarize_shape(tl_module *m, int ndim, const int64_t *shape, bool partly)
{
    tl_summary *s = NULL;
    if (!m || ndim < 0 || ndim > TL_MAX_DIMS || (ndim > 0 && !shape)) {
        tl_fail(TL_ERR_ARGUMENT, "summary: a module and the shape of its input, of at most %d dimensions, are needed", TL_MAX_DIMS);
        return NULL;
    }
    TL_SCOPE {
        tl_tensor *x = tl_empty(ndim, shape, (struct tl_options){.device = "meta"});
        s = x ? tl_summarize_inputs(m, &x, 1, .partly = partly) : NULL;
    }
    return s;
}

tl_summary *tl_summarize(tl_module *m, int ndim, const int64_t *shape)
{
    return summarize_shape(m, ndim, shape, false);
}

tl_summary *tl_summarize_partly(tl_module *m, int ndim, const int64_t *shape)
{
    return summarize_shape(m, ndim, shape, true);
}

void tl_summary_free(tl_summary *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->rows[i].name);
    free(s->rows);
    free(s->optimizer);
    free(s->untrained);
    free(s);
}

size_t tl_summary_count(const tl_summary *s)
{
    return s ? s->count : 0;
}

const struct tl_summary_row *tl_summary_at(const tl_summary *s, size_t i)
{
    return s && i < s->count ? &s->rows[i].public : NULL;
}

struct tl_summary_totals tl_summary_totals(const tl_summary *s)
{
    return s ? s->totals : (struct tl_summary_totals){0};
}

struct tl_summary_memory tl_summary_memory(const tl_summary *s)
{
    return s ? s->memory : (struct tl_summary_memory){0};
}

const char *tl_summary_untrained(const tl_summary *s)
{
    return s ? s->untrained : NULL;
}
