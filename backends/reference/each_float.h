/* SPDX-License-Identifier: Apache-2.0
 *
 * Includes the file TEMPLATE once for each floating element type T. SUM is the type to add up in.
 */
#define SUM double
#define T float
#include TEMPLATE
#undef T
#define T double
#include TEMPLATE
#undef T
#undef SUM
