/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to libtelar-nn: what finding things by name does.
 */
#ifndef TELAR_NN_DATA_INTERNAL_H
#define TELAR_NN_DATA_INTERNAL_H

#include <telar/dataset.h>

/* Give a data set the name that it was opened by, for messages, unless it has one. */
void dataset_set_name(tl_dataset *d, const char *name);

/* How the pictures of the weights that a model is configured for are brought into form; NULL: as the model says. Not copied. */
struct tl_picture_form;
void config_set_pictures(struct tl_config *c, const struct tl_picture_form *form);
const struct tl_picture_form *config_pictures(const struct tl_config *c);

#endif
