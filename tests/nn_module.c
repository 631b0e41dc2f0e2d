/* SPDX-License-Identifier: Apache-2.0
 *
 * The module tree: building, names, walks, modes, state dictionaries and everything that can be wrong with them, moving to
 * another dtype, and one module used by several threads at once.
 */
#include <pthread.h>

#include "golden.h"
#include "nn_cases.h"

#define REFUSED(expression, part)                                                                                                \
    do {                                                                                                                         \
        tl_error_clear();                                                                                                        \
        ok(!(expression), "refused: %s", #expression);                                                                           \
        contains(tl_error_message(), part, "and says why");                                                                      \
    } while (0)

/* ---- Building ------------------------------------------------------------------------------------------------------- */

static int destroyed;

static tl_tensor *echo(tl_module *m, tl_tensor *const *x, int n)
{
    (void)m;
    return n == 2 ? tl_add(x[0], x[1]) : x[0];
}

static void count_destroyed(tl_module *m)
{
    (void)m;
    destroyed++;
}

static const struct tl_module_class echo_class = {sizeof echo_class, "Echo", echo, NULL, count_destroyed, 0};

static void test_building(void)
{
    tl_module *root = tl_module_new(&echo_class, 16), *a = tl_module_new(&echo_class, 0), *b = tl_module_new(&echo_class, 0);
    ok(((char *)tl_module_fields(root))[15] == 0, "fields start as zeros");
    ok(tl_module_add(root, "a", a) == a && tl_module_add(a, "b", b) == b, "children are handed back");
    ok(tl_module_child(root, "a.b") == b, "found by dotted name");
    REFUSED(tl_module_child(root, "a.c"), "has no module \"a.c\"");
    REFUSED(tl_module_child(root, "b.a"), "has no module");
    const char *name;
    ok(tl_module_n_children(root) == 1 && tl_module_child_at(root, 0, &name) == a && strcmp(name, "a") == 0, "and by position");
    ok(!tl_module_child_at(root, 1, &name) && !name, "past the end there is none");
    tl_error_clear();
    ok(tl_module_replace(root, "a.b", tl_module_new(&echo_class, 0)) == TL_OK && destroyed == 1, "replacing frees the old one");
    REFUSED(tl_module_replace(root, "x", tl_module_new(&echo_class, 0)) == TL_OK, "no module \"x\"");
    is_int(destroyed, 2, "a refused replacement is freed");
    tl_error_clear();
    tl_tensor *x = tl_ones(TL_SHAPE(2), (struct tl_options){0});
    is_float(tl_item(tl_sum(tl_forward_n(root, (tl_tensor *[]){x, x}, 2))), 4, 0, "several inputs");
    tl_module_free(a);
    is_int(destroyed, 2, "freeing a child is its parent's business");
    tl_module_free(root);
    is_int(destroyed, 5, "the root takes everything with it");
}

static void test_bad_building(void)
{
    tl_tensor *t = tl_ones(TL_SHAPE(2), (struct tl_options){0});
    tl_module *root = tl_module_new(&echo_class, 0), *child = tl_module_new(&echo_class, 0);
    tl_module_add(root, "child", child);
    destroyed = 0;
    tl_module *other = tl_module_new(&echo_class, 0);
    REFUSED(tl_module_add(other, "again", child), "belongs to another module");
    REFUSED(tl_module_add(other, "after", tl_module_new(&echo_class, 0)), "earlier addition");
    REFUSED(tl_forward(other, t), "cannot run");
    REFUSED(tl_module_add(root, "broken", other), "earlier addition to this Echo failed");
    is_int(destroyed, 2, "what was refused is freed");
    tl_module_free(root);
    is_int(destroyed, 4, "once");
    static const char *const bad[] = {"", "a.b"};
    for (int i = 0; i < 2; i++) {
        root = tl_module_new(&echo_class, 0);
        REFUSED(tl_module_add(root, bad[i], tl_module_new(&echo_class, 0)), "must not be empty or contain a dot");
        tl_module_free(root);
    }
    root = tl_module_new(&echo_class, 0);
    tl_module_add(root, "a", tl_module_new(&echo_class, 0));
    REFUSED(tl_module_parameter(root, "a", t), "already");
    REFUSED(tl_module_parameter(root, "i", tl_zeros(TL_SHAPE(1), (struct tl_options){.dtype = TL_I64})), "use a buffer");
    tl_error_clear();
    tl_tensor *leaf = tl_ones(TL_SHAPE(1), (struct tl_options){.requires_grad = true});
    REFUSED(tl_module_parameter(root, "r", tl_mul_s(leaf, 2)), "tl_detach()");
    REFUSED(tl_module_buffer(root, "n", NULL), "is NULL");
    tl_module_free(root);
    REFUSED(tl_module_add(NULL, "x", tl_module_new(&echo_class, 0)), "NULL");
    REFUSED(tl_module_new(NULL, 0), "a class needs");
    /* A layer that cannot be made fails the whole network, with its own words. */
    REFUSED(TL_SEQUENTIAL(tl_nn_linear(2, 2), tl_nn_linear(-1, 2), tl_nn_relu()), "in_features is -1");
    tl_error_clear();
    root = tl_sequential_new();
    tl_module_add(root, "0", tl_nn_dropout(7));
    REFUSED(tl_module_add(root, "1", tl_nn_relu()), "");
    tl_module_free(root);
    tl_error_clear();
}

/* Deep trees must be refused before walks run out of stack. */
static void test_depth(void)
{
    tl_module *m = tl_sequential_new();
    int depth = 1;
    for (; depth < 5000; depth++) {
        tl_module *above = tl_sequential_new();
        if (!tl_module_add(above, "0", m)) {
            tl_module_free(above);
            break;
        }
        m = above;
    }
    ok(depth < 1000 && depth >= 100, "nesting ends at %d", depth);
    contains(tl_error_message(), "nested", "and says so");
    tl_error_clear();
    m = tl_sequential_new();
    tl_module *at = m;
    for (depth = 1; at && depth < 5000; depth++)
        at = tl_module_add(at, "0", tl_sequential_new());
    ok(depth < 1000, "from above, too");
    tl_module_free(m);
    tl_error_clear();
}

/* ---- Walks ------------------------------------------------------------------------------------------------------------ */

static tl_status collect(const char *name, tl_tensor *t, void *ctx)
{
    (void)t;
    strcat(ctx, name);
    strcat(ctx, " ");
    return TL_OK;
}

static tl_status collect_module(const char *name, tl_module *m, void *ctx)
{
    sprintf((char *)ctx + strlen(ctx), "%s:%s ", name, tl_module_name(m));
    return TL_OK;
}

static tl_status stop_at_once(const char *name, tl_tensor *t, void *ctx)
{
    (void)name;
    (void)t;
    ++*(int *)ctx;
    return TL_ERR_STOPPED;
}

static void test_walks(void)
{
    tl_module *net = make_net();
    char text[1024] = "";
    tl_module_parameters(net, collect, text);
    is_string(text,
              "features.0.weight features.0.bias features.1.weight features.1.bias features.4.weight classifier.1.weight "
              "classifier.1.bias classifier.2.weight classifier.2.bias classifier.4.weight classifier.4.bias ",
              "parameters in PyTorch's order");
    *text = 0;
    tl_module_buffers(net, collect, text);
    is_string(text,
              "features.1.running_mean features.1.running_var features.1.num_batches_tracked classifier.2.running_mean "
              "classifier.2.running_var classifier.2.num_batches_tracked ",
              "buffers too");
    *text = 0;
    tl_modules(tl_module_child(net, "features"), collect_module, text);
    is_string(text, ":Sequential 0:Conv2d 1:BatchNorm2d 2:ReLU 3:MaxPool2d 4:Conv2d 5:Dropout2d 6:LeakyReLU ", "modules");
    int calls = 0;
    ok(tl_module_parameters(net, stop_at_once, &calls) == TL_ERR_STOPPED && calls == 1, "a walk stops when told to");
    is_int((long long)tl_module_parameter_count(net), 40 + 8 + 216 + 56 + 16 + 27, "elements of all parameters");
    tl_tensor *few[2];
    is_int((long long)tl_module_parameter_list(net, few, 2), 11, "a short list still tells how many");
    ok(few[0] == tl_module_get(net, "features.0.weight") && tl_requires_grad(few[0]), "parameters require gradients");
    ok(tl_is_none(tl_module_get(net, "features.4.bias")), "an absent bias is TL_NONE");
    tl_eval(net);
    ok(!tl_is_training(net) && !tl_is_training(tl_module_child(net, "classifier.3")), "evaluation reaches the leaves");
    tl_train(net);
    ok(tl_is_training(tl_module_child(net, "classifier.3")), "and training");
    /* Weights that two layers share are walked once, and appear in the state under both names. */
    tl_module *tied = tl_sequential_new(), *second = tl_module_new(&echo_class, 0);
    tl_sequential_append(tied, tl_nn_linear(3, 3, .no_bias = true));
    tl_module_parameter(second, "weight", tl_module_get(tied, "0.weight"));
    ok(tl_sequential_append(tied, second) == second && tl_module_child(tied, "1") == second, "a layer is appended under the next number");
    is_int((long long)tl_module_parameter_list(tied, NULL, 0), 1, "a shared parameter counts once");
    tl_state *state = tl_module_state(tied);
    is_int((long long)tl_state_count(state), 2, "its state has both names");
    tl_state_free(state);
    tl_module_free(tied);
    tl_module_free(net);
}

static void test_gradients(void)
{
    tl_module *m = tl_nn_linear(3, 2);
    tl_tensor *w = tl_module_get(m, "weight");
    tl_backward(tl_sum(tl_forward(m, tl_ones(TL_SHAPE(4, 3), (struct tl_options){0}))), TL_NONE, (struct tl_backward_options){0});
    is_float(tl_item(tl_sum(tl_grad_of(w))), 24, 0, "gradients reach the weights");
    tl_zero_grad(m);
    ok(tl_is_none(tl_grad_of(w)), "zero_grad drops them");
    tl_module_free(m);
}

/* ---- State ------------------------------------------------------------------------------------------------------------- */

static bool same_weights(tl_module *a, tl_module *b)
{
    tl_state *s = tl_module_state(a), *t = tl_module_state(b);
    bool same = tl_state_count(s) == tl_state_count(t);
    for (size_t i = 0; same && i < tl_state_count(s); i++)
        same = strcmp(tl_state_name(s, i), tl_state_name(t, i)) == 0 && tl_equal(tl_state_at(s, i), tl_state_at(t, i));
    tl_state_free(s);
    tl_state_free(t);
    return same;
}

static void test_state(void)
{
    tl_module *a = make_net(), *b = make_net();
    ok(!same_weights(a, b), "two networks differ at first");
    tl_state *s = tl_module_state(a);
    is_string(tl_state_name(s, 4), "features.1.running_mean", "buffers come with their module");
    ok(tl_module_load_state(b, s, true) == TL_OK, "loaded: %s", tl_error_message());
    ok(same_weights(a, b), "and equal");
    ok(tl_requires_grad(tl_module_get(b, "classifier.4.bias")), "parameters stay parameters");
    ok(tl_shares_storage(tl_state_at(s, 0), tl_module_get(a, "features.0.weight")), "a state shares the module's memory");
    ok(!tl_shares_storage(tl_state_at(s, 0), tl_module_get(b, "features.0.weight")), "loading copies");
    tl_state_free(s);

    /* Other dtypes are converted; all that does not fit is told at once, and nothing is changed. */
    tl_state *bad = tl_state_new();
    tl_state_add(bad, "features.0.weight", tl_zeros(TL_SHAPE(4, 1, 3, 3), (struct tl_options){.dtype = TL_F64}));
    tl_state_add(bad, "features.0.bias", tl_zeros(TL_SHAPE(5), (struct tl_options){0}));
    tl_state_add(bad, "classifier.4.bias", tl_zeros(TL_SHAPE0, (struct tl_options){0}));
    tl_state_add(bad, "head.weight", tl_zeros(TL_SHAPE(1), (struct tl_options){0}));
    tl_state_add(bad, "features.4.bias", tl_zeros(TL_SHAPE(6), (struct tl_options){0}));
    ok(tl_module_load_state(b, bad, true) == TL_ERR_SHAPE, "a state that does not fit is refused");
    contains(tl_error_message(),
             "2 of another shape: \"features.0.bias\" is [5] and should be [4], \"classifier.4.bias\" is [] and should be [3]",
             "shapes");
    contains(tl_error_message(), "14 missing: \"features.1.weight\"", "missing names");
    contains(tl_error_message(), "2 unexpected: \"head.weight\", \"features.4.bias\"", "unexpected names");
    ok(same_weights(a, b), "and nothing was changed");
    tl_error_clear();
    tl_state_free(bad);
    bad = tl_state_new();
    tl_state_add(bad, "features.0.weight", tl_full(TL_SHAPE(4, 1, 3, 3), 2, (struct tl_options){.dtype = TL_F64}));
    tl_state_add(bad, "head.weight", tl_zeros(TL_SHAPE(1), (struct tl_options){0}));
    ok(tl_module_load_state(b, bad, true) == TL_ERR_NOT_FOUND, "strictly, names must match");
    tl_error_clear();
    ok(tl_module_load_state(b, bad, false) == TL_OK, "else what is there is taken");
    is_float(tl_item(tl_mean(tl_module_get(b, "features.0.weight"))), 2, 0, "converted from f64");
    tl_state_free(bad);
    bad = tl_state_new();
    s = tl_module_state(a);
    for (size_t i = 0; i < tl_state_count(s); i++)
        if (!strstr(tl_state_name(s, i), "num_batches_tracked"))
            tl_state_add(bad, tl_state_name(s, i), tl_state_at(s, i));
    ok(tl_module_load_state(b, bad, true) == TL_OK && same_weights(a, b), "a state without counts of batches is whole: %s", tl_error_message());
    tl_state_free(s);
    tl_state_free(bad);
    ok(tl_module_load(b, "/nowhere/at/all.safetensors") != TL_OK, "a file that is not there is an error");
    tl_error_clear();
    tl_module_free(a);
    tl_module_free(b);
}

static void test_dtype(void)
{
    tl_module *m = TL_SEQUENTIAL(tl_nn_linear(3, 4), tl_nn_batch_norm1d(4));
    tl_tensor *w = tl_module_get(m, "0.weight"), *before = tl_clone(tl_detach(w));
    ok(tl_module_to_dtype(m, TL_F64) == TL_OK, "to f64: %s", tl_error_message());
    ok(tl_module_get(m, "0.weight") == w && tl_dtype_of(w) == TL_F64, "the same tensor, now f64");
    ok(tl_equal(tl_cast(tl_detach(w), TL_F32), before), "with the same values");
    is_int(tl_dtype_of(tl_module_get(m, "1.num_batches_tracked")), TL_I64, "counters stay integers");
    tl_tensor *y = tl_forward(m, tl_ones(TL_SHAPE(2, 3), (struct tl_options){.dtype = TL_F64}));
    ok(y && tl_dtype_of(y) == TL_F64, "it computes in f64");
    ok(tl_backward(tl_sum(y), TL_NONE, (struct tl_backward_options){0}) == TL_OK && tl_dtype_of(tl_grad_of(w)) == TL_F64,
       "gradients too");
    REFUSED(tl_module_to_dtype(m, TL_I64) == TL_OK, "floating");
    REFUSED(tl_module_to(m, "nosuch:7") == TL_OK, "");
    tl_error_clear();
    ok(tl_module_to(m, "cpu") == TL_OK, "moving to where it is changes nothing");
    tl_module_free(m);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 25 };

struct work {
    tl_module *net;
    tl_tensor *x, *want;
    int wrong;
};

static void *use(void *ctx)
{
    struct work *w = ctx;
    TL_NO_GRAD for (int i = 0; i < ROUNDS; i++) TL_SCOPE
    {
        tl_tensor *y = tl_forward(w->net, w->x);
        w->wrong += !y || !tl_allclose(y, w->want, 1e-6, 1e-6);
    }
    return NULL;
}

static void test_threads(void)
{
    tl_module *net = make_net();
    tl_eval(net);
    pthread_t thread[THREADS];
    struct work work[THREADS];
    for (int i = 0; i < THREADS; i++) {
        tl_tensor *x = tl_randn(TL_SHAPE(3, 1, 12, 12), (struct tl_options){0}), *want = NULL;
        TL_NO_GRAD want = tl_forward(net, x);
        work[i] = (struct work){net, x, want, 0};
    }
    int wrong = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, use, &work[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        wrong += work[i].wrong;
    }
    is_int(wrong, 0, "%d threads use one module at once", THREADS);
    tl_module_free(net);
}

/* ---- Observers ----------------------------------------------------------------------------------------------------------- */

static void note_before(tl_module *m, void *ctx)
{
    sprintf((char *)ctx + strlen(ctx), "(%s ", tl_module_name(m));
}

static void note_after(tl_module *m, tl_tensor *const *in, int n, tl_tensor *out, void *ctx)
{
    (void)m;
    (void)in;
    sprintf((char *)ctx + strlen(ctx), "%d%s)", n, out ? "" : "!");
}

static void test_observer(void)
{
    char text[256] = "";
    const struct tl_module_observer o = {note_before, note_after, text};
    tl_module *m = TL_SEQUENTIAL(tl_nn_linear(2, 3), tl_nn_tanh());
    ok(!tl_module_observe(&o), "no observer at first");
    tl_forward(m, tl_zeros(TL_SHAPE(1, 2), (struct tl_options){0}));
    tl_forward(m, tl_zeros(TL_SHAPE(1, 5), (struct tl_options){0}));
    tl_error_clear();
    ok(tl_module_observe(NULL) == &o, "the old one is handed back");
    tl_forward(m, tl_zeros(TL_SHAPE(1, 2), (struct tl_options){0}));
    is_string(text, "(Sequential (Linear 1)(Tanh 1)1)(Sequential (Linear 1!)1!)",
              "an observer sees every forward, failed ones too");
    tl_module_free(m);
}

int main(void)
{
    TL_SCOPE test_building();
    TL_SCOPE test_bad_building();
    TL_SCOPE test_depth();
    TL_SCOPE test_walks();
    TL_SCOPE test_gradients();
    TL_SCOPE test_state();
    TL_SCOPE test_dtype();
    TL_SCOPE test_threads();
    TL_SCOPE test_observer();
    return done_testing();
}
