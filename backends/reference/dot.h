/* SPDX-License-Identifier: Apache-2.0
 *
 * The scalar product of two lines of elements. Four sums, because one would make each addition wait for the one before.
 * Included by the template part of op files.
 */
static inline SUM NAME(dot)(const T *a, int64_t a_step, const T *b, int64_t b_step, int64_t n)
{
    SUM s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4, a += 4 * a_step, b += 4 * b_step) {
        s0 += (SUM)a[0] * (SUM)b[0];
        s1 += (SUM)a[a_step] * (SUM)b[b_step];
        s2 += (SUM)a[2 * a_step] * (SUM)b[2 * b_step];
        s3 += (SUM)a[3 * a_step] * (SUM)b[3 * b_step];
    }
    for (; i < n; i++, a += a_step, b += b_step)
        s0 += (SUM)*a * (SUM)*b;
    return s0 + s1 + (s2 + s3);
}
