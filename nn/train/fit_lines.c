/* SPDX-License-Identifier: Apache-2.0
 *
 * What tl_fit() writes to its `lines`.
 */
#include <stdio.h>
#include <string.h>

#include "nn/train/fit.h"

/* A table of epochs: what is not measured has no column. */
static void print_number(FILE *to, int width, double x, bool wanted)
{
    if (wanted)
        fprintf(to, "%*.4f", width, x);
}

void print_epoch(FILE *to, const struct tl_epoch *e, const struct tl_fit_options *o, bool first, const char *metric)
{
    bool measured = update_has_metric(o), validated = o->validation != NULL;
    int width = (int)strlen(metric) + 2 > 10 ? (int)strlen(metric) + 2 : 10;
    char epoch[48];
    if (first) {
        fprintf(to, "%9s%12s%*s", "epoch", "train loss", measured ? width : 0, measured ? metric : "");
        if (validated)
            fprintf(to, "%17s%*s", "validation loss", measured ? width : 0, measured ? metric : "");
        fprintf(to, "%10s%9s\n", "rate", "time");
    }
    snprintf(epoch, sizeof epoch, "%lld/%lld", (long long)e->epoch, (long long)o->epochs);
    fprintf(to, "%9s", epoch);
    print_number(to, 12, e->train_loss, true);
    print_number(to, width, e->train_metric, measured);
    print_number(to, 17, e->validation_loss, validated);
    print_number(to, width, e->validation_metric, validated && measured);
    fprintf(to, "%10.3g%7.1f s\n", e->learning_rate, e->seconds);
    fflush(to);
}

void print_resumed(const struct run *r)
{
    if (r->position.batch > 0)
        fprintf(r->o->lines, "resumed in epoch %lld, after batch %lld\n", (long long)r->at.epoch + 1, (long long)r->position.batch);
    else
        fprintf(r->o->lines, "resumed after epoch %lld\n", (long long)r->at.epoch);
}
