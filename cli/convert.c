/* SPDX-License-Identifier: Apache-2.0
 *
 * telar convert: a weight file into another format.
 */
#include "cli/cli.h"

int run_convert(const struct invocation *v)
{
    const char *from = v->arguments[0], *to = v->arguments[1];
    /* Asked first: a large file need not be read to learn that there is no such format. */
    tl_state *s = tl_state_can_save(to) == TL_OK ? tl_state_load(from) : NULL;
    int code = s && tl_state_save(s, to) == TL_OK ? EXIT_OK : failed();
    if (code == EXIT_OK && !v->set.quiet)
        printf("%s: %zu tensors and %zu notes\n", to, tl_state_count(s), tl_state_note_count(s));
    tl_state_free(s);
    return code;
}
