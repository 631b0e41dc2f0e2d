/* SPDX-License-Identifier: Apache-2.0
 *
 * The sources of this plugin that are not in text.c.
 */
#ifndef PLUGINS_DATA_TEXT_H
#define PLUGINS_DATA_TEXT_H

#include <telar/data.h>

extern const struct tl_data_source text_counting; /* counting.c */

#endif
