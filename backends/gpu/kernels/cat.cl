/* SPDX-License-Identifier: Apache-2.0
 *
 * cat: parts of y, each from a tensor of its own. Elements are copied, several at a time where they lie together. gpu/ops/cat.c defines in front
 * of this
 *
 *   BYTES     of what is copied at a time: 1, 2, 4, 8 or 16
 *   NDIM      dimensions, those of y in the order of its memory
 *   PARTS     parts of a launch; BUFFERS, OPENS the parameters x0, x1, ... and their OPEN()s; CHOOSE(k) the one of part k
 */
#if BYTES == 1
typedef uchar element;
#elif BYTES == 2
typedef ushort element;
#elif BYTES == 4
typedef uint element;
#elif BYTES == 8
typedef ulong element;
#else
typedef struct ALIGNED(16) {
    ulong v[2];
} element;
#endif

struct part {
    INDEX n, to; /* elements; the first one's offset in y */
    INDEX shape[NDIM], in[NDIM];
};
struct cat {
    INDEX out[NDIM];
    struct part parts[PARTS];
};

KERNEL(256, 1) cat(BUFFERS BUFFER(element, y), struct cat c)
{
    OPENS
    OPEN(element, y)
    const struct part part = c.parts[GROUP_Y];
    GLOBAL const element *x = CHOOSE(GROUP_Y);
    for (INDEX i = GLOBAL_X; i < part.n; i += GLOBAL_SIZE) {
        INDEX rest = i, to = part.to, from = 0;
        UNROLL
        for (int d = NDIM - 1; d > 0; d--) {
            INDEX above = rest / part.shape[d], at = rest - above * part.shape[d];
            rest = above;
            to += at * c.out[d];
            from += at * part.in[d];
        }
        y[to + rest * c.out[0]] = x[from + rest * part.in[0]];
    }
}
