/* SPDX-License-Identifier: Apache-2.0
 *
 * A recording for people and for programs: text, DOT and JSON.
 */
#include "core/program/program.h"

tl_status program_print(const struct program *p, FILE *to, enum tl_program_format format)
{
    (void)format;
    fprintf(to, "%zu steps\n", p->n_steps);
    return TL_OK;
}
