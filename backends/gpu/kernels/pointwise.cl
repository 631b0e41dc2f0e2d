/* SPDX-License-Identifier: Apache-2.0
 *
 * An op of <telar/pointwise.def>, or a chain of them: y = EXPRESSION, element by element. gpu/pointwise.c defines in front of this
 *
 *   PARAMETERS   the buffers of the operands, x0, x1, ..., each followed by a comma      OPENS   their OPEN()s
 *   SINGLES      reads operands that are one number, before the loop
 *   PACKS(i)     reads pack i of the dense operands: of W elements each                PICK(k)  takes element k of what PACKS read
 *   READS(i)     reads element i of the dense operands
 *   OFFSETS      offset variables of all operands, 0; STEP(d, c) moves them by c along dimension d; READS_AT reads there
 *   TY, W, NDIM  the result's type; elements of a pack; dimensions
 *   STRIDED      where the second kernel is meant
 *   CHECK        what must hold before the result is written: reports bad values
 */

typedef struct ALIGNED(W * sizeof(STORAGE(TY))) {
    STORAGE(TY) v[W];
} result_pack;

/* PACK0 ... PACK4 are the operands' types. */
#define OPERAND_PACK(T, name)                            \
    typedef struct ALIGNED(W * sizeof(STORAGE(T))) {     \
        STORAGE(T) v[W];                                 \
    } name;
OPERAND_PACK(PACK0, pack0)
#ifdef PACK1
OPERAND_PACK(PACK1, pack1)
#endif
#ifdef PACK2
OPERAND_PACK(PACK2, pack2)
#endif
#ifdef PACK3
OPERAND_PACK(PACK3, pack3)
#endif
#ifdef PACK4
OPERAND_PACK(PACK4, pack4)
#endif

#ifndef STRIDED
/* All operands dense, or single numbers. */
KERNEL(256, 1) pointwise_dense(PARAMETERS BUFFER(STORAGE(TY), out), INDEX n, REAL p, REAL q CHECK_PARAMETERS)
{
    OPENS
    OPEN(STORAGE(TY), out)
    CHECK_OPEN
    SINGLES
    for (INDEX i = GLOBAL_X; i < n / W; i += GLOBAL_SIZE) {
        PACKS(i)
        result_pack result;
        UNROLL
        for (int k = 0; k < W; k++) {
            PICK(k)
            CHECK(i * W + k)
            result.v[k] = ENCODE(TY, EXPRESSION);
        }
        ((GLOBAL result_pack *)out)[i] = result;
    }
    for (INDEX i = n / W * W + GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        READS(i)
        CHECK(i)
        STORE(TY, out, i, EXPRESSION);
    }
}

#else
/* Any strides. */
struct walk {
    INDEX shape[8], out[8], in[5][8];
};

KERNEL(256, 1) pointwise_strided(PARAMETERS BUFFER(STORAGE(TY), out), INDEX n, REAL p, REAL q, struct walk w CHECK_PARAMETERS)
{
    OPENS
    OPEN(STORAGE(TY), out)
    CHECK_OPEN
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        INDEX rest = i, to = 0;
        OFFSETS
        UNROLL
        for (int d = NDIM - 1; d > 0; d--) {
            INDEX quotient = rest / w.shape[d], c = rest - quotient * w.shape[d];
            rest = quotient;
            to += c * w.out[d];
            STEP(d, c)
        }
        to += rest * w.out[0];
        STEP(0, rest)
        READS_AT
        CHECK(i)
        STORE(TY, out, to, EXPRESSION);
    }
}
#endif
