/* SPDX-License-Identifier: Apache-2.0
 *
 * From a pickle's values to a state.
 */
#ifndef TELAR_PLUGINS_PTH_TREE_H
#define TELAR_PLUGINS_PTH_TREE_H

#include "pickle.h"

/* What a checkpoint holds besides the weights stands under names that begin so. */
#define REST "telar.rest."

/** Makes a tensor of all of a storage, of a type that there is here, in this shape of as many elements; its reference is the scope's. NULL and an
 *  error. */
typedef tl_tensor *tree_storage(void *ctx, const struct pickle *p, const struct pickle_storage *s, int ndim, const int64_t *shape);

/** Add the result of a pickle to a state: of a dictionary of tensors these, of a checkpoint the model's under their own names and everything
 *  else below REST; numbers and texts as notes. */
tl_status tree_read(struct pickle *p, tree_storage *storage, void *ctx, tl_state *into);

/** Everything that tree_read() looks at, while nothing is made: `check` sees each storage that a tensor is made of, once. */
typedef tl_status tree_look(void *ctx, const struct pickle *p, const struct pickle_storage *s);
tl_status tree_check(struct pickle *p, tree_look *check, void *ctx);

#endif
