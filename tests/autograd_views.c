/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes in place that are recorded, through views and otherwise, against PyTorch: the graph, values, gradients, and gradients of
 * gradients, which are also compared with differences. The numbers are those of golden/make_autograd.py, to whose functions the cases correspond.
 */
#include "golden.h"

static tl_tensor *zeros(void)
{
    return tl_zeros(TL_SHAPE(3, 4), (struct tl_options){.dtype = TL_F64});
}

static tl_tensor *row(tl_tensor *t, int64_t i)
{
    return tl_select(t, 0, i);
}

static tl_tensor *twice(tl_tensor *t)
{
    return tl_mul_s(t, 2);
}

static tl_tensor *rows(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = zeros();
    tl_copy_(row(y, 0), twice(w));
    tl_copy_(row(y, 2), row(x, 1));
    return y;
}

static tl_tensor *loop(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = zeros();
    tl_copy_(row(y, 0), w);
    for (int i = 1; i < 3; i++)
        tl_copy_(row(y, i), tl_mul(tl_clone(row(y, i - 1)), row(x, i)));
    return y;
}

static tl_tensor *add_row(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x);
    tl_add_(row(y, 1), w);
    return y;
}

static tl_tensor *mul_columns(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x);
    tl_mul_(tl_narrow(y, 1, 1, 2), tl_narrow(w, 0, 1, 2));
    return y;
}

static tl_tensor *div_rows(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x);
    tl_div_(tl_narrow(y, 0, 0, 2), w);
    return y;
}

static tl_tensor *chain(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x);
    tl_mul_(tl_narrow(row(tl_slice(tl_t(y), 0, 1, 3, 1), 1), 0, 0, 2), row(w, 0));
    return y;
}

static tl_tensor *two_views(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x), *a = row(y, 0), *b = tl_narrow(y, 1, 0, 2);
    tl_mul_(a, w);
    tl_mul_(b, tl_exp(tl_detach(b)));
    tl_sub_(a, row(x, 2));
    return tl_add(y, a);
}

static tl_tensor *stale_view(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x), *a = row(y, 0);
    tl_mul_(y, w);
    return tl_mul(a, a);
}

static tl_tensor *itself(tl_tensor *x, tl_tensor *w)
{
    return tl_sub_(tl_mul_(twice(x), w), x);
}

static tl_tensor *clamped(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_mul(x, w);
    tl_clamp_(row(y, 1), -0.5, 0.5);
    return tl_clamp_(y, -1, 1);
}

static tl_tensor *zeroed(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_mul(x, w);
    tl_zero_(row(y, 0));
    tl_fill_(row(y, 1), 3);
    tl_fill_(row(row(y, 2), 1), 0.5);
    return tl_mul(y, y);
}

static tl_tensor *all_filled(tl_tensor *x, tl_tensor *w)
{
    return tl_fill_(tl_mul(x, w), 2);
}

static tl_tensor *masked(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_mul(x, w);
    tl_masked_fill_(row(y, 1), tl_cast(tl_tensor_i64(TL_SHAPE(4), 1, 0, 1, 0), TL_BOOL), 2);
    return tl_mul(y, y);
}

static tl_tensor *constant_base(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_ones_like(tl_detach(x));
    tl_mul_(row(y, 1), w);
    tl_mul_(row(y, 1), row(x, 0));
    return y;
}

static tl_tensor *copied(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_copy_(twice(x), w);
    tl_copy_(tl_narrow(y, 0, 1, 2), tl_exp(row(x, 0)));
    return y;
}

static tl_tensor *number(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x);
    tl_mul_(row(row(y, 1), 2), row(w, 1));
    tl_copy_(row(row(y, 0), 0), row(w, 2));
    return y;
}

static tl_tensor *reshaped(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x), *v = tl_view(y, TL_SHAPE(2, 6));
    tl_add_(row(v, 1), row(tl_reshape(x, TL_SHAPE(2, 6)), 0));
    tl_mul_(row(tl_transpose(v, 0, 1), 2), tl_narrow(w, 0, 0, 2));
    return tl_add(y, tl_view(v, TL_SHAPE(3, 4)));
}

static tl_tensor *added(tl_tensor *x, tl_tensor *w)
{
    (void)w;
    tl_tensor *y = twice(x), *v = tl_narrow(y, 1, 0, 2), *out[1];
    tl_op_call_into(tl_op_find("index_add"), &(struct tl_along_attrs){.struct_size = sizeof(struct tl_along_attrs), .dim = 1},
                    (tl_tensor *[]){v, tl_tensor_i64(TL_SHAPE(2), 0, 1), tl_narrow(x, 1, 2, 2)}, 3, &v, out);
    return y;
}

static tl_tensor *sigmoid_in_region(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_mul(x, w);
    tl_mul_(row(y, 0), tl_sigmoid(row(y, 0)));
    return y;
}

static tl_tensor *strided(tl_tensor *x, tl_tensor *w)
{
    return twice(tl_as_strided(tl_mul(x, w), 2, (int64_t[]){3, 3}, (int64_t[]){2, 1}, 1));
}

static tl_tensor *strided_written(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = twice(x);
    tl_mul_(tl_as_strided(y, 2, (int64_t[]){2, 2}, (int64_t[]){5, 2}, 1), tl_narrow(w, 0, 0, 2));
    return y;
}

static tl_tensor *expanded(tl_tensor *x, tl_tensor *w)
{
    tl_tensor *y = tl_mul(tl_expand(w, TL_SHAPE(3, 4)), x);
    return tl_mul(tl_as_strided(tl_expand(w, TL_SHAPE(3, 4)), 2, (int64_t[]){2, 2}, (int64_t[]){1, 1}, 0),
                  tl_narrow(tl_narrow(y, 0, 0, 2), 1, 0, 2));
}

#define CASES(X)                                                                                                                          \
    X(rows) X(loop) X(add_row) X(mul_columns) X(div_rows) X(chain) X(two_views) X(stale_view) X(itself) X(clamped) X(zeroed) X(all_filled) \
    X(masked) X(constant_base) X(copied) X(number) X(reshaped) X(added) X(sigmoid_in_region) X(strided) X(strided_written) X(expanded)

static const struct example {
    const char *name;
    tl_tensor *(*function)(tl_tensor *x, tl_tensor *w);
} examples[] = {
#define EXAMPLE(name) {#name, name},
    CASES(EXAMPLE)};

/* The graph as make_autograd.py writes it. */
static void write_graph(FILE *to, tl_node *n)
{
    fputs(n ? tl_node_name(n) : "-", to);
    int last = tl_node_n_next(n);
    while (last > 0 && !tl_node_next(n, last - 1))
        last--;
    for (int i = 0; i < last; i++) {
        fputs(i ? "," : "(", to);
        write_graph(to, tl_node_next(n, i));
    }
    fputs(last ? ")" : "", to);
}

static void same_graph(tl_tensor *y, const char *want, const char *name)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    write_graph(to, tl_grad_fn(y));
    fclose(to);
    is_string(text, want, "%s: the graph is PyTorch's", name);
    free(text);
}

static tl_tensor *function_of(tl_tensor *const *in, void *ctx)
{
    return ((const struct example *)ctx)->function(in[0], in[1]);
}

static void succeeded(tl_status s, const char *name, const char *what)
{
    if (!ok(s == TL_OK, "%s: %s", name, what))
        diag("%s", tl_error_message());
    tl_error_clear();
}

static void compare(FILE *f, const struct example *e)
{
    char text[4096], what[128];
    tl_manual_seed(7);
    struct tl_options o = {.dtype = TL_F64, .requires_grad = true};
    tl_tensor *in[] = {tl_randn(TL_SHAPE(3, 4), o), tl_randn(TL_SHAPE(4), o)}, *g[2], *gg[2];
    tl_tensor *y = e->function(in[0], in[1]), *dy = y ? tl_detach(y) : NULL;
    if (fscanf(f, " %4095s", text) != 1 || strcmp(text, e->name) != 0)
        bail_out("the golden file has %s where %s is expected; run golden/make_autograd.py", text, e->name);
    if (fscanf(f, " %4095s", text) != 1)
        bail_out("the golden file ends in %s", e->name);
    if (strcmp(text, "?") != 0)
        same_graph(y, text, e->name);
    golden_tensor(f, y, 1e-12, e->name);
    struct tl_backward_options again = {.create_graph = true, .materialize_grads = true}, once = {.materialize_grads = true};
    succeeded(tl_grad(&y, 1, &dy, in, 2, g, again), e->name, "can be differentiated");
    for (int i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "%s: gradient %d", e->name, i);
        golden_tensor(f, g[i], 1e-12, what);
    }
    tl_tensor *square = tl_add(tl_sum(tl_mul(g[0], g[0])), tl_sum(tl_mul(g[1], g[1])));
    if (tl_requires_grad(square))
        succeeded(tl_grad(&square, 1, NULL, in, 2, gg, once), e->name, "and again");
    else
        gg[0] = tl_zeros_like(in[0]), gg[1] = tl_zeros_like(in[1]);
    for (int i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "%s: second gradient %d", e->name, i);
        golden_tensor(f, gg[i], 1e-11, what);
    }
    if (strcmp(e->name, "two_views") == 0) /* a factor of it moves and counts as constant: differences see it move */
        return;
    succeeded(tl_gradcheck(function_of, (void *)(uintptr_t)e, in, 2, (struct tl_gradcheck_options){0}), e->name, "differences agree");
    succeeded(tl_gradgradcheck(function_of, (void *)(uintptr_t)e, in, 2, (struct tl_gradcheck_options){0}), e->name, "second differences agree");
}

int main(void)
{
    FILE *f = golden_open("autograd.txt");
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        TL_SCOPE
        {
            compare(f, &examples[i]);
        }
    fclose(f);
    is_string(tl_error_message(), "", "no error is left over");
    tl_shutdown();
    return done_testing();
}
