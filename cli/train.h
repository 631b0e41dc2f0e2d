/* SPDX-License-Identifier: Apache-2.0
 *
 * telar train: a run, and what it is told by the command line, by a checkpoint that it goes on from, and by the model's table.
 */
#ifndef TELAR_CLI_TRAIN_H
#define TELAR_CLI_TRAIN_H

#include "cli/cli.h"

struct training {
    struct job job;
    uint64_t seed;
    tl_loader *train, *validation;
    tl_optimizer *optimizer;
    tl_schedule *schedule;
    tl_history *history;
    char seed_text[24];
};

/* train_settings.c. The seed: of the command line, of the run that is gone on with, or a fresh one. */
void choose_seed(struct training *t, const struct invocation *v);
/* A resumed run goes on with the settings that it had, unless the command line says otherwise. */
tl_status recall(const struct job *j, struct invocation *v);
/* Say so where it goes on with other threads or another backend. */
void warn_of_other_machine(const struct job *j, const struct invocation *v);
/* Where the command line is silent, as such a model is usually trained. A resumed run goes on as it was. */
void follow_custom(const struct tl_model *m, struct invocation *v);
/* Of data that are read in streams side by side a batch has one sample each, or the model's state could not be carried on. */
tl_status follow_streams(const struct training *t, struct invocation *v);
tl_status make_schedule(struct training *t, const struct settings *s, int64_t batches);

/* What a checkpoint notes of the run: keys and texts, ending with NULL. */
enum { MOST_NOTES = 24, NUMBER_TEXT = 24 };
struct notes {
    const char *list[2 * MOST_NOTES + 1];
    int n;
    char numbers[MOST_NOTES][NUMBER_TEXT];
    char *classes; /* to be freed */
};
tl_status collect_notes(struct notes *n, const struct training *t, const struct invocation *v);

#endif
