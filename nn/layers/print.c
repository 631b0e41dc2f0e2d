/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing a module as PyTorch prints one: the kind, its settings in parentheses, and its children, each on lines of
 * its own, two columns further in.
 */
#include <stdlib.h>

#include "nn/layers/module.h"
#include "nn/numbers.h"

static void print(struct string *s, const tl_module *m, int indent)
{
    char extra[512] = "";
    if (m->class->extra)
        m->class->extra(m, extra, sizeof extra);
    string_add(s, "%s(", m->name);
    if (m->n_children == 0) {
        string_add(s, "%s)", extra);
        return;
    }
    if (*extra)
        string_add(s, "\n%*s%s", indent + 2, "", extra);
    for (size_t i = 0; i < m->n_children; i++) {
        string_add(s, "\n%*s(%s): ", indent + 2, "", m->children[i].name);
        print(s, m->children[i].module, indent + 2);
    }
    string_add(s, "\n%*s)", indent, "");
}

char *tl_module_to_string(const tl_module *m)
{
    if (!m) {
        tl_fail(TL_ERR_ARGUMENT, "module: cannot print NULL");
        return NULL;
    }
    struct string s = {0};
    struct plain_numbers plain = plain_numbers_begin();
    print(&s, m, 0);
    plain_numbers_end(&plain);
    if (!s.failed)
        return s.text;
    string_free(&s);
    return NULL;
}

tl_status tl_module_print(const tl_module *m)
{
    char *text = tl_module_to_string(m);
    if (!text)
        return tl_error_code();
    bool written = puts(text) >= 0;
    free(text);
    return written ? TL_OK : tl_fail(TL_ERR_IO, "module: cannot write to the standard output");
}
