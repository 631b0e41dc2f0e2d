/* SPDX-License-Identifier: Apache-2.0
 *
 * einsum: sums of products written with letters, "bij,bjk->bik". Each letter is a dimension; letters that are missing after
 * the arrow are summed over; "..." stands for any number of leading dimensions that broadcast. A letter twice in one operand
 * takes the diagonal. Operands are multiplied from left to right; each pair becomes one batched matrix product: letters of both
 * that stay are the batch, letters of both that go are summed by the product.
 */
#include "core/ops/shape_util.h"

/* Dimensions are numbered: 0 to 51 for the letters, then those under the dots, counted from the last. */
enum { DOTS = 52, LABELS = DOTS + TL_MAX_DIMS, MOST = 16 };

struct term {
    tl_tensor *t;
    int n, label[TL_MAX_DIMS];
};

struct plan {
    const char *equation;
    struct term terms[MOST];
    int n_terms, n_out, out[TL_MAX_DIMS];
    int64_t size[LABELS]; /* 0: not used */
    bool is_out[LABELS];
};

/* Of the alphabet that labels are counted in, whatever the user's locale takes for a letter. */
static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int label_of(char c)
{
    return c <= 'Z' ? c - 'A' : c - 'a' + 26;
}

static char letter_of(int label)
{
    return (char)(label >= DOTS ? '.' : label < 26 ? 'A' + label : 'a' + label - 26);
}

/* ---- Parsing ---------------------------------------------------------------------------------------------------------------- */

/* Labels of one operand (or of the output) up to `end`; dots counts the dimensions that "..." stands for. */
static bool parse_labels(const struct plan *p, const char *s, const char *end, int dots, int *n, int *label)
{
    bool seen_dots = false;
    for (*n = 0; s < end; s++) {
        int more = 1;
        if (*s == ' ')
            continue;
        if (*s == '.') {
            if (seen_dots || end - s < 3 || s[1] != '.' || s[2] != '.') {
                tl_fail(TL_ERR_ARGUMENT, "einsum: \"%s\": the dot at position %d does not begin a single \"...\"", p->equation,
                        (int)(s - p->equation));
                return false;
            }
            seen_dots = true;
            s += 2;
            more = dots;
        } else if (!is_letter(*s)) {
            tl_fail(TL_ERR_ARGUMENT, "einsum: \"%s\": '%c' at position %d is neither a letter nor \"...\"", p->equation, *s,
                    (int)(s - p->equation));
            return false;
        }
        if (*n + more > TL_MAX_DIMS) {
            tl_fail(TL_ERR_LIMIT, "einsum: \"%s\": more than %d dimensions", p->equation, TL_MAX_DIMS);
            return false;
        }
        for (int i = 0; i < more; i++)
            label[(*n)++] = seen_dots && *s == '.' ? DOTS + dots - 1 - i : label_of(*s);
    }
    return true;
}

static int count_letters(const char *s, const char *end, bool *dots)
{
    int n = 0;
    *dots = false;
    for (; s < end; s++) {
        n += is_letter(*s);
        *dots |= *s == '.';
    }
    return n;
}

static bool parse_operand(struct plan *p, int i, const char *s, const char *end, tl_tensor *t)
{
    bool has_dots;
    struct term *term = &p->terms[i];
    int letters = count_letters(s, end, &has_dots), dots = t->ndim - letters;
    if (dots < 0 || (dots > 0 && !has_dots)) {
        tl_fail(TL_ERR_SHAPE, "einsum: \"%s\": operand %d has shape %s, but %d letters", p->equation, i, TENSOR_TEXT(t), letters);
        return false;
    }
    term->t = t;
    if (!parse_labels(p, s, end, dots, &term->n, term->label))
        return false;
    for (int k = 0; k < term->n; k++) {
        int64_t *size = &p->size[term->label[k]], here = t->shape[k];
        if (*size > 0 && *size != here && *size != 1 && here != 1) {
            tl_fail(TL_ERR_SHAPE, "einsum: \"%s\": '%c' is %lld in operand %d of shape %s, but %lld before", p->equation,
                    letter_of(term->label[k]), (long long)here, i, TENSOR_TEXT(t), (long long)*size);
            return false;
        }
        /* Sizes are kept plus nothing: an empty dimension is stored as -1, so that 0 means unused. */
        if (*size == 0 || *size == 1)
            *size = here ? here : -1;
        else if (here == 0)
            *size = -1;
    }
    return true;
}

static bool implicit_output(struct plan *p)
{
    int uses[LABELS] = {0};
    for (int i = 0; i < p->n_terms; i++)
        for (int k = 0; k < p->terms[i].n; k++)
            uses[p->terms[i].label[k]]++;
    for (int l = LABELS - 1; l >= DOTS; l--)
        if (p->size[l] && p->n_out < TL_MAX_DIMS)
            p->out[p->n_out++] = l;
    for (int l = 0; l < DOTS; l++) {
        if (uses[l] != 1)
            continue;
        if (p->n_out == TL_MAX_DIMS) {
            tl_fail(TL_ERR_LIMIT, "einsum: \"%s\": the result has more than %d dimensions", p->equation, TL_MAX_DIMS);
            return false;
        }
        p->out[p->n_out++] = l;
    }
    return true;
}

static bool parse_output(struct plan *p, const char *s)
{
    int dots = 0;
    for (int l = DOTS; l < LABELS; l++)
        dots += p->size[l] != 0;
    if (!parse_labels(p, s, s + strlen(s), dots, &p->n_out, p->out))
        return false;
    for (int k = 0; k < p->n_out; k++) {
        bool twice = false;
        for (int j = 0; j < k; j++)
            twice |= p->out[j] == p->out[k];
        if (twice || !p->size[p->out[k]]) {
            tl_fail(TL_ERR_ARGUMENT, "einsum: \"%s\": '%c' is %s", p->equation, letter_of(p->out[k]),
                    twice ? "twice in the result" : "in the result, but in no operand");
            return false;
        }
    }
    return true;
}

static bool parse(struct plan *p, int n, tl_tensor *const *operands)
{
    const char *arrow = strstr(p->equation, "->"), *end = arrow ? arrow : p->equation + strlen(p->equation), *s = p->equation;
    for (p->n_terms = 0; p->n_terms < n; p->n_terms++) {
        const char *comma = memchr(s, ',', (size_t)(end - s)), *stop = comma ? comma : end;
        if (!parse_operand(p, p->n_terms, s, stop, operands[p->n_terms]))
            return false;
        if ((comma == NULL) != (p->n_terms == n - 1)) {
            tl_fail(TL_ERR_ARGUMENT, "einsum: \"%s\": %s operands than the %d given", p->equation, comma ? "more" : "fewer", n);
            return false;
        }
        s = comma ? comma + 1 : end;
    }
    if (!(arrow ? parse_output(p, arrow + 2) : implicit_output(p)))
        return false;
    for (int k = 0; k < p->n_out; k++)
        p->is_out[p->out[k]] = true;
    return true;
}

/* ---- Computing -------------------------------------------------------------------------------------------------------------- */

static int find(const struct term *a, int label)
{
    for (int k = 0; k < a->n; k++)
        if (a->label[k] == label)
            return k;
    return -1;
}

/* Dimensions first and second of t have one letter: their diagonal becomes the last dimension. */
static bool take_diagonal(struct plan *p, struct term *a, int first, int second)
{
    int64_t order[TL_MAX_DIMS], shape[TL_MAX_DIMS], n = a->t->shape[first];
    int label = a->label[first], kept = 0;
    if (a->t->shape[second] != n) {
        tl_fail(TL_ERR_SHAPE, "einsum: \"%s\": '%c' is both %lld and %lld in an operand of shape %s", p->equation, letter_of(label),
                (long long)n, (long long)a->t->shape[second], TENSOR_TEXT(a->t));
        return false;
    }
    for (int k = 0; k < a->n; k++)
        if (k != first && k != second) {
            shape[kept] = a->t->shape[k];
            a->label[kept] = a->label[k];
            order[kept++] = k;
        }
    order[kept] = first;
    order[kept + 1] = second;
    shape[kept] = n * n;
    a->label[kept] = label;
    tl_tensor *t = tl_permute(a->t, a->n, order);
    t = t ? tl_reshape(t, kept + 1, shape) : NULL;
    a->n = kept + 1;
    a->t = t ? tl_slice(t, kept, 0, TL_END, n + 1) : NULL;
    return a->t != NULL;
}

static bool take_diagonals(struct plan *p, struct term *a)
{
    for (int i = 0; i < a->n; i++)
        for (int j = i + 1; j < a->n; j++)
            if (a->label[i] == a->label[j]) {
                if (!take_diagonal(p, a, i, j))
                    return false;
                i = -1;
                break;
            }
    return true;
}

/* Is the letter needed after term i? */
static bool needed_later(const struct plan *p, int label, int i)
{
    for (int k = i + 1; k < p->n_terms; k++)
        if (find(&p->terms[k], label) >= 0)
            return true;
    return p->is_out[label];
}

/* Sum over the letters of a that are neither in b nor needed later. */
static bool sum_out(const struct plan *p, struct term *a, const struct term *b, int i)
{
    struct tl_reduce_attrs r = {.struct_size = sizeof r};
    int kept = 0;
    for (int k = 0; k < a->n; k++) {
        if (needed_later(p, a->label[k], i) || (b && find(b, a->label[k]) >= 0))
            a->label[kept++] = a->label[k];
        else
            r.dims.v[r.dims.n++] = k;
    }
    a->n = kept;
    r.dtype = (tl_dtype)a->t->dtype; /* integers stay what the other operands are */
    if (r.dims.n)
        a->t = tl_sum_with(a->t, &r);
    return a->t != NULL;
}

/* Letters whose dimensions are merged into one. */
struct group {
    int n, label[TL_MAX_DIMS];
    int64_t size; /* product */
};

/* a's elements with one dimension for each group, stretched where a letter is larger in another operand. */
static tl_tensor *arranged(struct term *a, const struct group *groups, int n_groups, const int64_t *sizes)
{
    int64_t order[TL_MAX_DIMS], full[TL_MAX_DIMS], merged[3];
    int n = 0;
    for (int g = 0; g < n_groups; g++)
        for (int k = 0; k < groups[g].n; k++) {
            order[n] = find(a, groups[g].label[k]);
            full[n++] = sizes[groups[g].label[k]] < 0 ? 0 : sizes[groups[g].label[k]];
        }
    for (int g = 0; g < n_groups; g++)
        merged[g] = groups[g].size;
    tl_tensor *t = tl_permute(a->t, n, order);
    t = t ? tl_expand(t, n, full) : NULL;
    return t ? tl_reshape(t, n_groups, merged) : NULL;
}

static bool push(const struct plan *p, struct group *g, int label)
{
    int64_t size = p->size[label] < 0 ? 0 : p->size[label];
    g->label[g->n++] = label;
    if (!__builtin_mul_overflow(g->size, size, &g->size))
        return true;
    tl_fail(TL_ERR_LIMIT, "einsum: \"%s\": an intermediate product is too large", p->equation);
    return false;
}

/* a = a times b, as [batch, left, inner] times [batch, inner, right]. */
static bool multiply(struct plan *p, struct term *a, struct term *b, int i)
{
    struct group batch = {.size = 1}, left = batch, right = batch, inner = batch;
    if (!sum_out(p, a, b, i) || !sum_out(p, b, a, i))
        return false;
    for (int k = 0; k < a->n; k++) {
        int l = a->label[k];
        if (!push(p, find(b, l) < 0 ? &left : needed_later(p, l, i) ? &batch : &inner, l))
            return false;
    }
    for (int k = 0; k < b->n; k++)
        if (find(a, b->label[k]) < 0 && !push(p, &right, b->label[k]))
            return false;
    if (batch.n + left.n + right.n > TL_MAX_DIMS) {
        tl_fail(TL_ERR_LIMIT, "einsum: \"%s\": an intermediate product has more than %d dimensions", p->equation, TL_MAX_DIMS);
        return false;
    }
    tl_tensor *x = arranged(a, (struct group[]){batch, left, inner}, 3, p->size);
    tl_tensor *z = arranged(b, (struct group[]){batch, inner, right}, 3, p->size);
    tl_tensor *y = x && z ? tl_bmm(x, z) : NULL;
    if (!y)
        return false;
    int64_t shape[TL_MAX_DIMS];
    const struct group *groups[3] = {&batch, &left, &right};
    a->n = 0;
    for (int g = 0; g < 3; g++)
        for (int k = 0; k < groups[g]->n; k++) {
            int l = groups[g]->label[k];
            shape[a->n] = p->size[l] < 0 ? 0 : p->size[l];
            a->label[a->n++] = l;
        }
    a->t = tl_reshape(y, a->n, shape);
    return a->t != NULL;
}

tl_tensor *tl_einsum(const char *equation, int n, tl_tensor *const *operands)
{
    if (!equation || n < 1 || n > MOST || !operands) {
        tl_fail(TL_ERR_ARGUMENT, "einsum: %s and %d operands; from 1 to %d are expected", equation ? equation : "no equation", n, MOST);
        return NULL;
    }
    tl_tensor *same[MOST];
    for (int i = 0; i < n; i++)
        if (operand_missing("einsum", operands[i]))
            return NULL;
    if (promote_operands("einsum", operands, n, false, same) != TL_OK)
        return NULL;
    struct plan p = {.equation = equation};
    if (!parse(&p, n, same))
        return NULL;
    for (int i = 0; i < n; i++)
        if (!take_diagonals(&p, &p.terms[i]))
            return NULL;
    struct term *a = &p.terms[0];
    for (int i = 1; i < n; i++)
        if (!multiply(&p, a, &p.terms[i], i))
            return NULL;
    int64_t order[TL_MAX_DIMS];
    if (!sum_out(&p, a, NULL, n - 1))
        return NULL;
    bool in_order = true;
    for (int k = 0; k < p.n_out; k++) {
        order[k] = find(a, p.out[k]);
        in_order &= order[k] == k;
    }
    return in_order ? a->t : tl_permute(a->t, p.n_out, order);
}
