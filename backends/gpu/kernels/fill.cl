/* SPDX-License-Identifier: Apache-2.0
 *
 * Fills of any strides. TY: the type; value: the element as it is stored.
 */

KERNEL(256, 1) fill_dense(BUFFER(STORAGE(TY), y), INDEX n, STORAGE(TY) value)
{
    OPEN(STORAGE(TY), y)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE)
        y[i] = value;
}

struct walk {
    INDEX shape[8], out[8], in[5][8];
};

KERNEL(256, 1) fill_strided(BUFFER(STORAGE(TY), y), INDEX n, STORAGE(TY) value, struct walk w)
{
    OPEN(STORAGE(TY), y)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        INDEX rest = i, to = 0;
        UNROLL
        for (int d = NDIM - 1; d > 0; d--) {
            INDEX quotient = rest / w.shape[d];
            to += (rest - quotient * w.shape[d]) * w.out[d];
            rest = quotient;
        }
        y[to + rest * w.out[0]] = value;
    }
}
