/* SPDX-License-Identifier: Apache-2.0
 *
 * nll_loss and its gradient. x is [n, classes, d], labels are [n, d]. ops/nll_loss.c defines TX in front of this. A label that is neither a class nor
 * to be ignored is reported, and counts for nothing.
 */

struct labels {
    INDEX count, classes, d; /* count: of labels */
    INDEX parts;             /* of the sums */
};

enum { MEAN = 0, SUM = 1, EACH = 2 };

/* Of the losses, and of their weights. */
typedef struct {
    struct total loss, weight;
} pair;
FUNCTION pair pair_none(void)
{
    pair p;
    p.loss = p.weight = total_none();
    return p;
}
FUNCTION pair pair_merge(pair a, pair b)
{
    a.loss = total_merge(a.loss, b.loss);
    a.weight = total_merge(a.weight, b.weight);
    return a;
}
TEAM(team_pair, pair, pair_merge)

FUNCTION bool is_class(long label, INDEX classes) { return label >= 0 && label < classes; }

#define FINISH(sums)                                                                          \
    {                                                                                         \
        const REAL loss = total_value((sums).loss), weights = total_value((sums).weight);     \
        STORE(TX, total_weight, 0, weights);                                                  \
        if (reduction != EACH)                                                                \
            STORE(TX, y, 0, reduction == MEAN ? loss / weights : loss);                       \
    }

/* The losses themselves, where they are wanted, and their sums: all, by one group, or as parts. */
KERNEL(256, 1) nll_loss(BUFFER(const STORAGE(TX), x), BUFFER(const long, labels), BUFFER(const STORAGE(TX), weight), BUFFER(STORAGE(TX), y),
                        BUFFER(STORAGE(TX), total_weight), BUFFER(REAL, parts), BUFFER(int, report), int site, int reduction, int weighted,
                        long ignored, struct labels l)
{
    OPEN(const STORAGE(TX), x)
    OPEN(const long, labels)
    OPEN(const STORAGE(TX), weight)
    OPEN(STORAGE(TX), y)
    OPEN(STORAGE(TX), total_weight)
    OPEN(REAL, parts)
    OPEN(int, report)
    LOCAL pair box[256];
    pair sums = pair_none();
    for (INDEX i = GLOBAL_X; i < l.count; i += GLOBAL_SIZE) {
        const long label = labels[i];
        REAL loss = 0;
        if (label != ignored && is_class(label, l.classes)) {
            const INDEX n = i / l.d;
            const REAL factor = weighted ? LOAD(TX, weight, label) : (REAL)1;
            loss = -factor * LOAD(TX, x, (n * l.classes + (INDEX)label) * l.d + (i - n * l.d));
            sums.loss = total_add(sums.loss, loss);
            sums.weight = total_add(sums.weight, factor);
        } else if (label != ignored) {
            report_bad(report, site, BAD_LABEL, label, (long)i, (long)l.classes);
        }
        if (reduction == EACH)
            STORE(TX, y, i, loss);
    }
    sums = team_pair(sums, box, 1, 256);
    if (ITEM_X == 0 && l.parts > 1)
        ((GLOBAL pair *)parts)[GROUP_X] = sums;
    if (ITEM_X == 0 && l.parts <= 1)
        FINISH(sums)
}

KERNEL(256, 1) nll_loss_join(BUFFER(REAL, parts), BUFFER(STORAGE(TX), y), BUFFER(STORAGE(TX), total_weight), int reduction, struct labels l)
{
    OPEN(REAL, parts)
    OPEN(STORAGE(TX), y)
    OPEN(STORAGE(TX), total_weight)
    LOCAL pair box[256];
    pair sums = pair_none();
    UNROLL_4
    for (INDEX i = (INDEX)ITEM_X; i < l.parts; i += 256)
        sums = pair_merge(sums, ((GLOBAL pair *)parts)[i]);
    sums = team_pair(sums, box, 1, 256);
    if (ITEM_X == 0)
        FINISH(sums)
}

/* Every element of dx, most of which are 0; and every label is looked at, be there no element. */
KERNEL(256, 1) nll_loss_grad(BUFFER(const STORAGE(TX), dy), BUFFER(const long, labels), BUFFER(const STORAGE(TX), weight),
                             BUFFER(const STORAGE(TX), total_weight), BUFFER(STORAGE(TX), dx), BUFFER(int, report), int site, int reduction,
                             int weighted, long ignored, struct labels l)
{
    OPEN(const STORAGE(TX), dy)
    OPEN(const long, labels)
    OPEN(const STORAGE(TX), weight)
    OPEN(const STORAGE(TX), total_weight)
    OPEN(STORAGE(TX), dx)
    OPEN(int, report)
    const INDEX elements = l.count * l.classes;
    for (INDEX i = GLOBAL_X; i < l.count; i += GLOBAL_SIZE)
        if (labels[i] != ignored && !is_class(labels[i], l.classes))
            report_bad(report, site, BAD_LABEL, labels[i], (long)i, (long)l.classes);
    if (elements == 0)
        return;
    const REAL single = reduction == EACH ? (REAL)0 : LOAD(TX, dy, 0);
    for (INDEX i = GLOBAL_X; i < elements; i += GLOBAL_SIZE) {
        const INDEX row = i / l.d, n = row / l.classes, at = n * l.d + (i - row * l.d);
        const long label = labels[at];
        REAL g = 0;
        if (label == row - n * l.classes && label != ignored) {
            g = -(weighted ? LOAD(TX, weight, label) : (REAL)1) * (reduction == EACH ? LOAD(TX, dy, at) : single);
            g = reduction == MEAN ? g / LOAD(TX, total_weight, 0) : g;
        }
        STORE(TX, dx, i, g);
    }
}
