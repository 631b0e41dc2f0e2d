/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to checkpoint.c, which says what a file holds, and checkpoint_load.c.
 */
#ifndef TELAR_NN_TRAIN_CHECKPOINT_H
#define TELAR_NN_TRAIN_CHECKPOINT_H

#include "nn/train/train.h"

#define PREFIX "telar."
enum { VERSION = 2, HEAD = 4, PROGRESS = 3 };

#define MOST ((int64_t)1000000000000000) /* epochs, steps: more cannot be counted, and what is added to it does not overflow */

/* What the file holds besides the module: telar.checkpoint. */
enum { HEAD_VERSION, HEAD_SCHEDULES, HEAD_STOPPING, HEAD_EXTRA };
enum { NO_STOPPING, STOPPING, STOPPING_OWNS_PLAIN_NAMES };

/* Entries whose names begin with `prefix`, which is taken off; with "", those that are not Telar's own. NULL and an error. */
tl_state *state_part(const tl_state *from, const char *prefix);
size_t count_schedules(const struct tl_checkpoint *c);
/* What a file of it would hold, its tensors shared with c's objects. NULL and an error. */
tl_state *checkpoint_collect(const struct tl_checkpoint *c, const struct position *p);
/* The caller's struct, which may be that of an earlier version; size 0: of this one. */
struct tl_checkpoint checkpoint_taken(const struct tl_checkpoint *c);

#endif
