/* SPDX-License-Identifier: Apache-2.0
 *
 * mse_loss without a reduction, and its gradient: (x - target)^2 and factor dy (x - target). The sum is one of kernels/reduce.cl. ops/mse_loss.c
 * defines TX in front of this.
 */

KERNEL(256, 1) mse_loss_each(BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), target), BUFFER(STORAGE(TX), y), INDEX n)
{
    OPEN(const STORAGE(TX), x)
    OPEN(const STORAGE(TX), target)
    OPEN(STORAGE(TX), y)
    UNROLL_4
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE) {
        const REAL apart = LOAD(TX, x, i) - LOAD(TX, target, i);
        STORE(TX, y, i, apart * apart);
    }
}

/* each: has every element a dy of its own? */
KERNEL(256, 1) mse_loss_grad(BUFFER(const STORAGE(TX), dy), BUFFER(const STORAGE(TX), x), BUFFER(const STORAGE(TX), target), BUFFER(STORAGE(TX), dx),
                             REAL factor, int each, INDEX n)
{
    OPEN(const STORAGE(TX), dy)
    OPEN(const STORAGE(TX), x)
    OPEN(const STORAGE(TX), target)
    OPEN(STORAGE(TX), dx)
    const REAL single = each ? (REAL)1 : LOAD(TX, dy, 0);
    UNROLL_4
    for (INDEX i = GLOBAL_X; i < n; i += GLOBAL_SIZE)
        STORE(TX, dx, i, factor * (each ? LOAD(TX, dy, i) : single) * (LOAD(TX, x, i) - LOAD(TX, target, i)));
}
