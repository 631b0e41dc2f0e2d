/* SPDX-License-Identifier: Apache-2.0
 *
 * What the vector code offers: one table of functions per instruction set. cpu.c points cpu_vector at the best that
 * the processor can run.
 */
#ifndef CPU_VECTOR_H
#define CPU_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <telar/types.h>

/** The pointwise ops and their gradients, in the table's order. */
enum cpu_pointwise {
#define CPU_PW_1(name) CPU_PW_##name, CPU_PW_##name##_da,
#define CPU_PW_2(name) CPU_PW_##name, CPU_PW_##name##_da, CPU_PW_##name##_db,
#define CPU_PW_3(name) CPU_PW_##name, CPU_PW_##name##_da, CPU_PW_##name##_db, CPU_PW_##name##_dc,
#define TL_UNARY(name, rule, f, da, formula) CPU_PW_1(name)
#define TL_BINARY(name, rule, f, da, db, formula) CPU_PW_2(name)
#define TL_TERNARY(name, rule, f, da, db, dc, formula) CPU_PW_3(name)
#define TL_TEST1(name, f, formula) CPU_PW_##name,
#define TL_TEST2(name, f, formula) CPU_PW_##name,
#include <telar/pointwise.def>
    CPU_PW_COUNT
};

/** One pointwise op over n dense elements. `in` has a place for each of TL_PW_OPERANDS; those that the expression does not
 *  use are not looked at. out may be an operand. pq: the op's two numbers. */
typedef void cpu_pointwise_loop(const void *const *in, void *out, int64_t n, const double *pq);

/** Element types that the pointwise loops know. */
enum cpu_pointwise_type { CPU_F32, CPU_F64, CPU_I32, CPU_I64, CPU_POINTWISE_TYPES };

/** Max pooling. `x`: addresses of the window's elements; `id`: their numbers within the window. `where` may be NULL. */
struct cpu_pool_loops {
    /** Channels-last: y[c] the largest of x[k][c], where[c] its number. */
    void (*max_window)(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t channels);
    /** dx[k][c] += dy[c] for the k whose number is where[c]. */
    void (*max_window_grad)(float *const *dx, const uint8_t *id, int n, const float *dy, const uint8_t *where, int64_t channels);
    /** Contiguous: y[i] the largest of x[k][i * step], where[i] its number, for i < count. */
    void (*max_strided)(float *y, uint8_t *where, const float *const *x, const uint8_t *id, int n, int64_t step, int64_t count);
};

/** Batch normalisation. Rows are channels-last pixels; a plane is one channel of one sample. Sums are plain float sums: keep
 *  `rows` and `n` to a few hundred and thousand, and add the results in double. */
struct cpu_norm_loops {
    /** sum[c] = Σ x - shift[c], square[c] = Σ (x - shift[c])² */
    void (*row_moments)(const float *x, const float *shift, int64_t rows, int64_t channels, float *sum, float *square);
    /** sum[c] = Σ dy, product[c] = Σ dy (x - shift[c]) */
    void (*row_products)(const float *dy, const float *x, const float *shift, int64_t rows, int64_t channels, float *sum,
                         float *product);
    void (*plane_moments)(const float *x, float shift, int64_t n, float *sum, float *square);
    void (*plane_products)(const float *dy, const float *x, float shift, int64_t n, float *sum, float *product);
    /** y = x scale + offset, per channel */
    void (*row_affine)(float *y, const float *x, int64_t rows, int64_t channels, const float *scale, const float *offset);
    void (*plane_affine)(float *y, const float *x, int64_t n, float scale, float offset);
    /** y = x by_x + z by_z + offset, per channel */
    void (*row_affine2)(float *y, const float *x, const float *z, int64_t rows, int64_t channels, const float *by_x,
                        const float *by_z, const float *offset);
    void (*plane_affine2)(float *y, const float *x, const float *z, int64_t n, float by_x, float by_z, float offset);
};

/** Reductions. `sign` is 1 for the largest, -1 for the smallest value. */
struct cpu_reduce_loops {
    double (*sum_row)(const float *x, int64_t n, int64_t stride);
    double (*prod_row)(const float *x, int64_t n, int64_t stride);
    float (*max_row)(const float *x, int64_t n, int64_t stride, float sign);
    /** sum[c] = Σ over rows, in float: at most a few dozen rows. */
    void (*sum_columns)(float *sum, const float *x, int64_t rows, int64_t row_stride, int64_t columns);
    /** best[c] takes the extremes of all rows. */
    void (*max_columns)(float *best, const float *x, int64_t rows, int64_t row_stride, int64_t columns, float sign);
    int64_t (*argmax_row)(const float *x, int64_t n, float sign);
};

/** Loops of copy and fill: a pointwise loop each, the operand being that of TL_PW_A. NULL where there is none. */
struct cpu_convert_loops {
    cpu_pointwise_loop *copy[9];                 /**< [bytes of an element] */
    cpu_pointwise_loop *fill[9];                 /**< [bytes of an element]; pq points to the element */
    cpu_pointwise_loop *to_f32[TL_DTYPE_COUNT];
    cpu_pointwise_loop *from_f32[TL_DTYPE_COUNT];
    cpu_pointwise_loop *u8_to_i64, *i64_to_bool, *u8_to_bool;
    /** to[c * to_stride + r] = from[r * from_stride + c] */
    void (*transpose)(float *to, int64_t to_stride, const float *from, int64_t from_stride, int64_t rows, int64_t columns);
};

/** Over dense rows of n that follow each other. y may not be x. */
struct cpu_softmax_loops {
    void (*softmax)(float *y, const float *x, int64_t rows, int64_t n);
    void (*log_softmax)(float *y, const float *x, int64_t rows, int64_t n);
    void (*softmax_grad)(float *dx, const float *dy, const float *y, int64_t rows, int64_t n);
    void (*log_softmax_grad)(float *dx, const float *dy, const float *y, int64_t rows, int64_t n);
};

/** One step of n units of a recurrent layer, of one sample. Gates lie `stride` floats apart, i f g o or r z n, the sums of their products
 *  before, their values after. h, c: before and after the step. In the gradients dy and dh are what arrives at h, dc what arrives at c; da are
 *  the gradients of the sums; dh becomes what goes past them to the state before, and dc what goes to the c before. */
struct cpu_rnn_loops {
    void (*tanh_step)(float *gate, float *h, int64_t n);
    void (*relu_step)(float *gate, float *h, int64_t n);
    void (*lstm_step)(float *gates, int64_t stride, const float *c_before, float *c, float *h, int64_t n);
    /** inner: w_hn h + b_hn. */
    void (*gru_step)(float *gates, int64_t stride, const float *inner, const float *h_before, float *h, int64_t n);
    void (*tanh_back)(float *da, const float *gate, const float *dy, float *dh, int64_t n);
    void (*relu_back)(float *da, const float *gate, const float *dy, float *dh, int64_t n);
    void (*lstm_back)(float *da, const float *gates, int64_t stride, const float *c_before, const float *c, const float *dy, float *dh,
                      float *dc, int64_t n);
    /** db: the gradients of what w_hh was multiplied with. */
    void (*gru_back)(float *da, float *db, const float *gates, int64_t stride, const float *inner, const float *h_before, const float *dy,
                     float *dh, int64_t n);
};

#define CPU_WINOGRAD_A 0.625 /* the points of the transforms */
#define CPU_WINOGRAD_B 1.5
enum { CPU_WINOGRAD_LINKS = 6 };
/** What a result goes through before it is written. */
struct cpu_winograd_end {
    int n;
    struct cpu_winograd_link {
        enum { CPU_LINK_ADD, CPU_LINK_CLAMP } kind;
        const float *other; /**< lies as the result does */
        float low, high;
    } link[CPU_WINOGRAD_LINKS];
};

/** Winograd's F(4x4, 3x3), tile by tile; see winograd.c. Planes are the 36 places of a tile; steps in floats. */
struct cpu_winograd_loops {
    /** The tile of inputs at x + from, of which rows in[0] to in[1] - 1 and columns in[2] to in[3] - 1 are there and the others are 0. */
    void (*input)(float *v, int64_t plane, const float *x, int64_t from, int64_t row, int64_t pixel, const int *in, int64_t channels);
    /** m [tiles, pair] = v [tiles, channels] u [channels, pair] */
    void (*product)(float *m, int64_t m_row, const float *v, const float *u, int64_t tiles, int64_t channels);
    /** A tile of outputs, cut to rows and columns, at y + at. Rows of m are padded to whole vectors. */
    void (*output)(float *y, int64_t at, int64_t row, int64_t pixel, const float *m, int64_t plane, int rows, int columns, const float *bias,
                   const struct cpu_winograd_end *end, int64_t channels);
    /** u: the 36 places of `pair` outputs of one channel, whose 3 x 3 weights lie at w, `output` apart; those beyond `outputs` are 0. */
    void (*weights)(float *u, int64_t plane, const float *w, int64_t output, int64_t row, int64_t column, int64_t outputs);
    /** A tile of gradients of outputs, of which so many rows and columns are there. Rows of v are padded to whole vectors. */
    void (*gradient)(float *v, int64_t plane, const float *dy, int64_t row, int64_t pixel, int rows, int columns, int64_t channels);
    /** m [channels, pair] = (first) or += x' [channels, tiles] dy [tiles, pair] */
    void (*outer)(float *m, int64_t m_row, const float *x, int64_t channels, const float *dy, int64_t dy_row, int64_t tiles, bool first);
    /** 3 x 3 gradients of the weights of one channel, those of each output `output` apart, from the 36 places' sums. */
    void (*kernel)(float *dw, int64_t output, const float *m, int64_t plane, int64_t outputs);
};

/** y += alpha a b: a is [m, k] of any strides, b [k, n] and y [m, n] lie in rows. */
typedef void cpu_small_matmul(float *y, int64_t y_row, const float *a, int64_t a_row, int64_t a_column, const float *b,
                              int64_t b_row, int64_t m, int64_t n, int64_t k, float alpha);

/** sum[k][c] += Σ over pixels i of dy[i][k] x[i * x_step + c]. k_all is a multiple of 4, c_all of cpu_vector.pair. */
typedef void cpu_outer_products(float *sum, const float *dy, int64_t k_all, const float *x, int64_t x_step, int64_t c_all,
                                int64_t pixels);

/** A convolution of one row of channels-last pixels. Steps in floats. */
struct cpu_direct {
    int64_t rows, columns;     /**< of taps; at most CPU_DIRECT_ROWS */
    int64_t channels;          /**< of the input */
    int64_t x_step, tap_step;  /**< from output to output, and from tap to tap, in the input */
    int64_t y_step, outputs;   /**< at least 6 outputs */
};
enum { CPU_DIRECT_ROWS = 16 };

/** y = bias + the convolution, for `pair` output channels. rows: for each row of taps where the input starts, NULL if outside;
 *  w: [row][column][channel][pair]. */
typedef void cpu_direct_row(const struct cpu_direct *d, const float *const *rows, const float *w, const float *bias, float *y);

struct cpu_vector {
    const char *name; /**< for the device's description */

    /** [enum cpu_pointwise_type][enum cpu_pointwise]; NULL where that type has no such op. */
    cpu_pointwise_loop *const *const *pointwise;

    const struct cpu_pool_loops *pool;
    const struct cpu_norm_loops *norm;
    const struct cpu_reduce_loops *reduce;
    const struct cpu_convert_loops *convert;
    const struct cpu_softmax_loops *softmax;
    const struct cpu_rnn_loops *rnn;
    const struct cpu_winograd_loops *winograd;
    cpu_small_matmul *small_matmul;
    cpu_outer_products *outer_products;
    cpu_direct_row *direct_row;
    int64_t pair;      /**< floats in two vectors */
    bool convolutions; /**< are the convolution loops worth using? With AVX-512 oneDNN's come close to the peak. */

    /** Copy past the caches. Call stream_end() before another thread may look. */
    void (*stream)(void *to, const void *from, size_t bytes);
    void (*stream_end)(void);
};

extern const struct cpu_vector cpu_vector_base;
extern const struct cpu_vector cpu_vector_avx2;
extern const struct cpu_vector cpu_vector_avx512;

#endif
