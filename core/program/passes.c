/* SPDX-License-Identifier: Apache-2.0
 *
 * Which passes there are, in which order, and which of them TELAR_PASSES switches off.
 */
#include "core/program/program.h"

static const struct pass {
    const char *name;
    tl_status (*run)(struct graph *g); /* NULL: part of the lowering, which asks pass_enabled() */
    bool exact;                        /* results keep their bits */
} passes[] = {
    {"dead", pass_dead, true},
    {"fold", pass_fold, false},
    {"fuse", pass_fuse, false},
    {"constants", NULL, true},
    {"reuse", NULL, true},
};

enum { N_PASSES = sizeof passes / sizeof *passes };

/* "-fuse,-fold": a list of names; "-all" is all of them, and a "+" switches one on again. */
static bool in_list(const char *list, const char *name, bool on)
{
    for (const char *at = list; at && *at; at += strspn(at, ", ")) {
        size_t n = strcspn(at, ", ");
        size_t sign = *at == '-' || *at == '+';
        const char *word = at + sign;
        size_t length = n - sign;
        if ((length == strlen(name) && strncmp(word, name, length) == 0) || (length == 3 && strncmp(word, "all", 3) == 0))
            on = *at != '-';
        at += n;
    }
    return on;
}

/* Said once for each process: a misspelt name would switch nothing off. */
static void check_list(const char *list)
{
    static atomic_bool said;
    for (const char *at = list; at && *at; at += strspn(at, ", ")) {
        size_t n = strcspn(at, ", "), sign = *at == '-' || *at == '+';
        bool known = n - sign == 3 && strncmp(at + sign, "all", 3) == 0;
        for (int i = 0; i < N_PASSES && !known; i++)
            known = strlen(passes[i].name) == n - sign && strncmp(at + sign, passes[i].name, n - sign) == 0;
        if (n && (!known || !sign) && !atomic_exchange(&said, true))
            tl_log_message(TL_LOG_WARN, "program", "TELAR_PASSES: \"%.*s\" is no pass with - or + before it; there are dead, fold, fuse, constants, reuse and all",
                           (int)n, at);
        at += n;
    }
}

bool pass_enabled(const char *name)
{
    const char *list = env_get("TELAR_PASSES", false);
    for (int i = 0; i < N_PASSES; i++)
        if (strcmp(passes[i].name, name) == 0)
            return in_list(list, name, passes[i].exact || tl_get_math() != TL_MATH_STRICT);
    return true;
}

tl_status graph_optimize(struct graph *g)
{
    tl_status s = TL_OK;
    check_list(env_get("TELAR_PASSES", false));
    for (int i = 0; i < N_PASSES && s == TL_OK; i++)
        if (passes[i].run && pass_enabled(passes[i].name))
            s = passes[i].run(g);
    return s;
}
