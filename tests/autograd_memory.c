/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory: whatever is recorded, written in place, differentiated or given up half-way, all of it comes back; and a backward pass
 * releases what was saved as it goes.
 */
#include <telar/telar.h>

#include "tap.h"

static const struct tl_backward_options ONCE = {0}, CREATE = {.create_graph = true};

enum { SIDE = 64 }; /* large enough to be counted: small values live inside their structs */

static tl_tensor *square(double value, bool requires_grad)
{
    return tl_full(TL_SHAPE(SIDE, SIDE), value, (struct tl_options){.requires_grad = requires_grad});
}

static tl_tensor *row(tl_tensor *t, int64_t i)
{
    return tl_select(t, 0, i);
}

/* In-place arithmetic whose operand becomes part of its own history: never differentiated, as in a loop that forgot no_grad. */
static void own_history(tl_tensor *w)
{
    tl_tensor *h = tl_mul(w, w);
    for (int i = 0; i < 5; i++)
        tl_add_(h, tl_mul(h, w));
}

static void own_history_through_views(tl_tensor *w)
{
    tl_tensor *h = square(1, false);
    for (int i = 1; i < 5; i++)
        tl_copy_(row(h, i), tl_mul(row(h, i - 1), row(w, i)));
    tl_mul_(row(h, 0), row(h, 1));
}

static void written_and_differentiated(tl_tensor *w)
{
    tl_tensor *h = tl_mul(w, w), *v = row(h, 1);
    tl_mul_(v, row(w, 0));
    tl_retain_grad(h);
    tl_add_(h, v);
    tl_backward(tl_sum(tl_mul(h, h)), TL_NONE, ONCE);
    tl_set_grad(w, TL_NONE);
}

static void second_order(tl_tensor *w)
{
    tl_tensor *h = tl_mul(w, w), *y, *g, *gg;
    tl_mul_(row(h, 2), row(w, 1));
    y = tl_sum(tl_mul(h, h));
    tl_grad(&y, 1, NULL, &w, 1, &g, CREATE);
    y = tl_sum(tl_mul(g, g));
    tl_grad(&y, 1, NULL, &w, 1, &gg, CREATE);
}

/* A gradient with a history is a cycle while it is the leaf's .grad (as in PyTorch), and ends when that is cleared. */
static void gradient_with_history(tl_tensor *w)
{
    tl_backward(tl_sum(tl_mul(w, tl_mul(w, w))), TL_NONE, CREATE);
    tl_set_grad(w, TL_NONE);
}

static void refused(tl_tensor *w)
{
    tl_tensor *h = tl_exp(w);
    tl_zero_(row(h, 0));
    tl_backward(tl_sum(h), TL_NONE, ONCE);
    tl_error_clear();
    h = tl_exp(w);
    tl_backward(tl_sum(h), TL_NONE, ONCE);
    tl_backward(tl_sum(h), TL_NONE, ONCE);
    tl_error_clear();
    tl_set_grad(w, TL_NONE);
}

static tl_tensor *give_up(tl_tensor *g, void *ctx)
{
    (void)g, (void)ctx;
    tl_fail(TL_ERR_STATE, "enough");
    return NULL;
}

static void given_up(tl_tensor *w)
{
    tl_tensor *h = tl_exp(w);
    tl_register_hook(h, give_up, NULL);
    tl_backward(tl_sum(tl_mul(tl_mul(h, h), h)), TL_NONE, ONCE);
    tl_error_clear();
}

static void dropped(tl_tensor *w)
{
    tl_tensor *h = tl_exp(w);
    for (int i = 0; i < 20; i++)
        h = tl_mul(tl_sigmoid(h), w);
    tl_detach_(h);
}

static void comes_back(void (*scenario)(tl_tensor *w), const char *what)
{
    tl_tensor *w = tl_keep(square(0.5, true));
    size_t before = tl_memory_stats(NULL).allocated;
    TL_SCOPE
    {
        scenario(w);
    }
    ok(tl_memory_stats(NULL).allocated == before, "%s: all memory comes back", what);
    is_string(tl_error_message(), "", "%s: without an error", what);
    tl_release(w);
}

/* Activations of a deep network live in its graph only. PyTorch's pass holds, at most, what the forward left and a few gradients. */
static void backward_releases_as_it_goes(void)
{
    enum { LAYERS = 50 };
    tl_tensor *w = square(0.01, true);
    size_t one = SIDE * SIDE * sizeof(float), after = 0, peak = 0;
    TL_SCOPE
    {
        size_t before = tl_memory_stats(NULL).allocated;
        tl_tensor *h = NULL;
        TL_SCOPE
        {
            h = tl_keep(square(1, false));
        }
        for (int i = 0; i < LAYERS; i++)
            TL_SCOPE
            {
                tl_tensor *next = tl_keep(tl_sigmoid(tl_mul(h, w)));
                tl_release(h);
                h = next;
            }
        tl_tensor *loss = tl_sum(h);
        tl_release(h);
        after = tl_memory_stats(NULL).allocated - before;
        tl_memory_reset_peak(NULL);
        tl_backward(loss, TL_NONE, ONCE);
        peak = tl_memory_stats(NULL).peak - before;
        size_t left = tl_memory_stats(NULL).allocated - before;
        diag("%d layers: %zu tensors saved, %zu at the peak, %zu left", LAYERS, after / one, peak / one, left / one);
        ok(left <= one + 64, "when it is done, only the gradient is left, though the loss is still there");
    }
    ok(after >= LAYERS * one && after <= (LAYERS + 1) * one, "the forward keeps one activation a layer");
    ok(peak <= after + 4 * one, "backward needs four tensors more at most, whatever the depth");
}

int main(void)
{
    comes_back(own_history, "an operand in its own history");
    comes_back(own_history_through_views, "the same through views");
    comes_back(written_and_differentiated, "writes in place, differentiated");
    comes_back(second_order, "second derivatives");
    comes_back(gradient_with_history, "a gradient with a history");
    comes_back(refused, "refused passes");
    comes_back(given_up, "a pass that a hook ends");
    comes_back(dropped, "a graph that is never used");
    backward_releases_as_it_goes();
    tl_shutdown();
    return done_testing();
}
