/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies between any two types and strides. TX and TY: types of source and result; CONVERT(x): from TX's number to TY's.
 */

/* A floating number as an integer: without its fraction, within the range, NaN as 0. least and most are of the type; most is the largest number of
 * the computing type that is still in range. */
FUNCTION long saturated(REAL x, long least, long most)
{
    return x != x ? 0 : x <= (REAL)least ? least : x >= (REAL)most ? most : (long)x;
}

KERNEL(256, 1) copy_dense(BUFFER(const STORAGE(TX), x), BUFFER(STORAGE(TY), y), INDEX n)
{
    OPEN(const STORAGE(TX), x)
    OPEN(STORAGE(TY), y)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE)
        y[i] = CONVERT(x[i]);
}

struct walk {
    INDEX shape[8], out[8], in[5][8];
};

KERNEL(256, 1) copy_strided(BUFFER(const STORAGE(TX), x), BUFFER(STORAGE(TY), y), INDEX n, struct walk w)
{
    OPEN(const STORAGE(TX), x)
    OPEN(STORAGE(TY), y)
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        INDEX rest = i, to = 0, from = 0;
        UNROLL
        for (int d = NDIM - 1; d > 0; d--) {
            INDEX quotient = rest / w.shape[d], c = rest - quotient * w.shape[d];
            rest = quotient;
            to += c * w.out[d];
            from += c * w.in[0][d];
        }
        y[to + rest * w.out[0]] = CONVERT(x[from + rest * w.in[0][0]]);
    }
}

/* Two dimensions change places: tiles go through local memory, so that both sides are read and written along their rows. A batch of
 * matrices: x has `columns` rows of `rows` elements, y `rows` rows of `columns`. */
KERNEL(32, 8) copy_transposed(BUFFER(const STORAGE(TX), x), BUFFER(STORAGE(TY), y), INDEX rows, INDEX columns, INDEX x_step, INDEX y_step,
                              INDEX x_batch, INDEX y_batch)
{
    OPEN(const STORAGE(TX), x)
    OPEN(STORAGE(TY), y)
    LOCAL STORAGE(TX) tile[32][33];
    INDEX row = (INDEX)GROUP_Y * 32, column = (INDEX)GROUP_X * 32, batch = (INDEX)GROUP_Z;
    for (uint k = ITEM_Y; k < 32; k += 8)
        if (column + (INDEX)k < columns && row + (INDEX)ITEM_X < rows)
            tile[k][ITEM_X] = x[batch * x_batch + (column + (INDEX)k) * x_step + row + (INDEX)ITEM_X];
    BARRIER();
    for (uint k = ITEM_Y; k < 32; k += 8)
        if (row + (INDEX)k < rows && column + (INDEX)ITEM_X < columns)
            y[batch * y_batch + (row + (INDEX)k) * y_step + column + (INDEX)ITEM_X] = CONVERT(tile[ITEM_X][k]);
}
