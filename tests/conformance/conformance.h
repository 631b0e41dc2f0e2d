/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance suite: each op on a backend against the reference, forward and backward, in several types, layouts
 * and shapes; and each gradient against finite differences. A case is one line in cases.c.
 */
#ifndef TELAR_CONFORMANCE_H
#define TELAR_CONFORMANCE_H

#include <stdio.h>
#include <telar/telar.h>

enum { MAX_IN = 6 };

/** What an operand is filled with. */
enum fill {
    ABSENT,   /**< TL_NONE */
    NORMAL,   /**< about -3 to 3 */
    UNIT,     /**< strictly between 0.1 and 0.9 */
    WIDE,     /**< -7 to 7: beyond every bend of the activations */
    DISTINCT, /**< like NORMAL, but no two elements closer than a hundredth: for max, sort */
    BOOLEAN,
    INDEX,    /**< i64, from 0 to below `limit` */
    TIES      /**< few distinct values: for order and ties */
};

struct operand {
    enum fill fill;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    int64_t limit;
    bool constant; /**< has no gradient: running statistics, class weights */
    bool spoiled;  /**< one element is `spoil`: an index out of range */
    double spoil;
};

struct test_case {
    const char *op;
    const char *variant; /**< what is special about it */
    const void *attrs;
    struct operand in[MAX_IN];
    int n_in;
    unsigned flags;
    double tolerance; /**< relative to the largest output, f32; 0: 1e-5 */
};

enum {
    NO_GRADIENT = 1,     /**< not differentiable, or its gradient is an op of its own that has cases */
    EXACT = 2,           /**< integers or copies: equal bits */
    NO_STRIDES = 4,      /**< the operands are already what the variant is about */
    INTEGERS = 8,        /**< repeat with i64, i32, u8 and bool operands */
    NO_HALF = 16,        /**< no f16 and bf16 */
    PARTIAL = 64,        /**< not defined everywhere there: what is not finite has no gradient to check */
    NO_DIFFERENCES = 32  /**< not smooth there: gradients are compared, but not with finite differences */
};

extern const struct test_case cases[];
extern const size_t n_cases;

/** Fill c with the generated cases for the pointwise op `op`: numbers at which every op is defined, and numbers of both signs. */
enum { POINTWISE_CASES = 2 };
void pointwise_cases(const tl_op *op, struct test_case c[POINTWISE_CASES]);

/** How the operands are laid out: row-major; with their dimensions reversed in memory; as every second element of a larger tensor;
 *  the last one reversed, the others row-major (x W^T). */
enum layout { CONTIGUOUS, REVERSED, SPACED, MIXED, LAYOUTS };

/** Make operand k of a case on the default device: the same values for the same case, dtype and k, whatever the layout. */
tl_tensor *make_operand(const struct test_case *c, int k, tl_dtype dtype, enum layout layout);

/** Results of one run, as doubles. */
struct values {
    double *v;
    int64_t n;
    tl_dtype dtype;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
};
struct results {
    struct values out[8], grad[MAX_IN];
    int n_out;
    tl_status status;
    char message[400];
};
/** Has operand k a gradient? */
bool differentiable(const struct test_case *c, int k);
/** Run a case on the default device, with gradients if asked for; results are freed with results_free(). */
void run_case(const struct test_case *c, tl_dtype dtype, enum layout layout, bool gradients, struct results *r);
void results_free(struct results *r);
/** The values of a tensor, malloc()ed. */
tl_status take_values(tl_tensor *t, struct values *v);
/** 0 if equal within the bound; else the worst difference, told in `text`. */
bool same_results(const struct test_case *c, const struct results *got, const struct results *want, tl_dtype dtype, char *text, size_t size);

/** Run the op of a file that TELAR_CHECK=reference left again, on a backend and on the reference, and say how they compare. 0 if they
 *  agree, 1 if not, 2 if the file cannot be read. */
int replay(const char *path, const char *backend);

/** One point of the report, a line of comment in it, and a point that does not apply. point() returns `passed`. */
bool point(bool passed, const char *format, ...) TL_PRINTF(2, 3);
void note(const char *format, ...) TL_PRINTF(1, 2);
void skip_point(const char *format, ...) TL_PRINTF(1, 2);

/** Who took the calls of a run (tally.c): ops by the name that kernels know them by. */
struct tally_row {
    const char *op;
    uint64_t own, others, widened, decomposed, host;
};
struct tally *tally_new(void); /**< free() it */
void tally_begin(struct tally *t);
/** Adds what happened since tally_begin(); returns how many calls of `op` the backend's own kernels took. */
uint64_t tally_end(struct tally *t, const char *backend, const char *op);
void tally_sort(struct tally *t);
const struct tally_row *tally_row(const struct tally *t, size_t i);
const char *kernel_name(const char *op);

/** help.c */
void print_help(FILE *to);
void print_man_page(FILE *to);

/** The command line (options.c). */
struct request {
    const char *mode; /**< "", or the option that says what is to be done: "--own" */
    char **ops;       /**< lists of names; none: all ops */
    int n_ops;
    bool types[TL_DTYPE_COUNT]; /**< element types to run in */
    bool some;                  /**< some ops or types only */
    char **backends;
    int n_backends;
};
/** 0; else the exit status, after a message. request_free() it in any case. */
int read_command_line(int argc, char **argv, struct request *r);
void request_free(struct request *r);

/** The element types that cases run in, and whether a case does (judge.c). */
enum { CASE_TYPES = 8 };
extern const tl_dtype case_types[CASE_TYPES];
bool case_applies(const struct test_case *c, tl_dtype dtype);

/** All points about one backend (judge.c); with "--own" without what none of its kernels takes; of some ops or types without its table of
 *  kernels and without networks. */
void judge_backend(const char *backend, const struct request *r, const struct test_case *all, size_t n_all);
/** Every case on the backend, forward and backward, without looking at values (run_only.c). */
void run_only(const char *backend, const struct request *r, const struct test_case *all, size_t n_all);
/** Did every case of the op that applies to the type run on the backend, and agree with the reference? */
bool known_to_work(const char *backend, const char *op, tl_dtype dtype, const struct test_case *all, size_t n_all);
/** A point: a network on this list of backends gives the reference's losses (network.c). */
void judge_network(const char *list);

#endif
