/* SPDX-License-Identifier: Apache-2.0
 *
 * A small network, trained for a few steps: what single ops do not show. Weights that were packed are written and packed again, results in
 * one backend's layout are read by another's kernels, residuals pass from forward to backward.
 */
#include "conformance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 3, WEIGHTS = 8 };

static tl_tensor *filled(const char *what, int ndim, const int64_t *shape, double scale)
{
    struct test_case c = {.op = "network", .variant = what, .in = {{.fill = NORMAL, .ndim = ndim}}};
    memcpy(c.in[0].shape, shape, (size_t)ndim * sizeof *shape);
    tl_tensor *t = make_operand(&c, 0, TL_F32, CONTIGUOUS);
    return t ? tl_mul_s(t, scale) : NULL;
}

static tl_tensor *loss_of(tl_tensor *x, tl_tensor *labels, tl_tensor *const *w)
{
    tl_tensor *a = tl_relu(tl_conv2d(x, w[0], w[1], .padding = {1}));
    tl_tensor *b = tl_max_pool2d(a, .kernel = {2});
    tl_tensor *c = tl_relu(tl_batch_norm(tl_conv2d(b, w[2], TL_NONE, .padding = {1}), TL_NONE, TL_NONE, w[4], w[5], .training = true));
    tl_tensor *d = tl_max_pool2d(tl_add(c, tl_conv2d(b, w[3], TL_NONE)), .kernel = {2});
    tl_tensor *e = tl_adaptive_avg_pool2d(d, 2, 2);
    tl_tensor *scores = tl_addmm(w[7], tl_reshape(e, 2, (int64_t[]){tl_size(x, 0), -1}), w[6]);
    return tl_nll_loss(tl_log_softmax(scores, 1), labels, TL_NONE);
}

static tl_status step(tl_tensor *x, tl_tensor *labels, tl_tensor **w, double *loss)
{
    tl_tensor *g[WEIGHTS], *l = loss_of(x, labels, w);
    tl_status s = l ? tl_grad(&l, 1, NULL, w, WEIGHTS, g, (struct tl_backward_options){0}) : tl_error_code();
    if (s != TL_OK)
        return s;
    *loss = tl_item(l);
    TL_NO_GRAD
    {
        for (int i = 0; i < WEIGHTS; i++)
            tl_axpy_(w[i], -0.1, g[i]);
    }
    return tl_error_code();
}

static tl_status train(const char *list, double losses[STEPS])
{
    static const struct {
        int ndim;
        int64_t shape[4];
        double scale;
    } weights[WEIGHTS] = {{4, {16, 3, 3, 3}, 0.2}, {1, {16}, 0.1},        {4, {32, 16, 3, 3}, 0.08}, {4, {32, 16, 1, 1}, 0.2},
                          {1, {32}, 0.5},          {1, {32}, 0.1},        {2, {128, 5}, 0.1},        {1, {5}, 0.1}};
    tl_status s = tl_set_backend(list);
    tl_error_clear();
    for (int k = 0; k < STEPS; k++)
        losses[k] = 0;
    TL_SCOPE
    {
        tl_tensor *w[WEIGHTS], *x = filled("pictures", 4, (int64_t[]){6, 3, 12, 12}, 1);
        tl_tensor *labels = tl_to_device(tl_tensor_i64(TL_SHAPE(6), 0, 1, 2, 3, 4, 0), tl_default_device());
        for (int i = 0; i < WEIGHTS; i++)
            w[i] = tl_set_requires_grad(filled("weights", weights[i].ndim, weights[i].shape, weights[i].scale), true);
        for (int k = 0; k < STEPS && s == TL_OK; k++)
            s = step(x, labels, w, &losses[k]);
    }
    return s;
}

void judge_network(const char *list)
{
    double here[STEPS], there[STEPS], largest = 0;
    tl_error_clear();
    tl_status s = train(list, here);
    char message[400];
    snprintf(message, sizeof message, "%s", tl_error_message());
    tl_error_clear();
    tl_status r = train("reference", there);
    for (int k = 0; k < STEPS; k++)
        largest = fmax(largest, isnan(here[k]) ? INFINITY : fabs(here[k] - there[k]));
    if (!point(s == TL_OK && r == TL_OK && largest < 1e-3, "%s: a small network learns as on the reference", list))
        note("%s; losses %g %g %g, on the reference %g %g %g", message[0] ? message : "no error", here[0], here[1], here[2], there[0], there[1],
             there[2]);
}
