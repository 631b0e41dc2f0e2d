/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: one mode, lists of ops and of element types, backends.
 */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

static const struct mode {
    const char *name;
    bool backends, ops, types; /* which it takes */
} modes[] = {
    {"", true, true, true},           {"--own", true, true, true},      {"--run-only", true, true, true}, {"--list", false, true, false},
    {"--gradients", false, true, false}, {"--registry", false, false, false}, {"--table", true, false, false},
};

static int wrong_usage(const char *what, const char *argument)
{
    fprintf(stderr, "telar-conformance: %s%s; see telar-conformance --help\n", what, argument);
    return 2;
}

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

/* Of "f32,i64": false, and an error, where one of them is no type. */
static bool add_types(struct request *r, const char *list)
{
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t n = strcspn(at, ",");
        bool known = false;
        for (int t = 1; t < TL_DTYPE_COUNT; t++) { /* 0 is no type of its own */
            const char *name = tl_dtype_name((tl_dtype)t);
            if (strlen(name) == n && strncmp(name, at, n) == 0)
                known = r->types[t] = true;
        }
        if (!known) {
            fprintf(stderr, "telar-conformance: \"%.*s\" is no element type: expected f32, f64, f16, bf16, i64, i32, i8, u8 or bool\n", (int)n, at);
            return false;
        }
    }
    return true;
}

int read_command_line(int argc, char **argv, struct request *r)
{
    const char *mode = "";
    bool some_types = false;
    *r = (struct request){.ops = calloc((size_t)argc + 1, sizeof *r->ops), .backends = calloc((size_t)argc + 1, sizeof *r->backends)};
    if (!r->ops || !r->backends)
        return 1;
    for (int i = 1; i < argc; i++) {
        bool op = strcmp(argv[i], "--op") == 0, types = strcmp(argv[i], "--types") == 0;
        if ((op || types) && i + 1 == argc)
            return wrong_usage(op ? "which op" : "which types", "?");
        if (op) {
            r->ops[r->n_ops++] = argv[++i];
        } else if (types) {
            some_types = true;
            if (!add_types(r, argv[++i]))
                return 2;
        } else if (argv[i][0] != '-') {
            r->backends[r->n_backends++] = argv[i];
        } else if (mode[0]) {
            return wrong_usage("one of the two: ", argv[i]);
        } else {
            mode = argv[i];
        }
    }
    const struct mode *m = find_mode(mode);
    if (!m)
        return wrong_usage("unknown option ", mode);
    if (!m->backends && r->n_backends > 0)
        return wrong_usage(mode, " takes no backend");
    if (m->backends && r->n_backends == 0)
        return wrong_usage("which backend", "?");
    if (!m->ops && r->n_ops > 0)
        return wrong_usage(mode, " is about all ops: it takes no --op");
    if (!m->types && some_types)
        return wrong_usage(mode, " is about all types: it takes no --types");
    for (int t = 0; t < TL_DTYPE_COUNT; t++)
        r->types[t] |= !some_types;
    r->mode = m->name;
    r->some = some_types || r->n_ops > 0;
    return 0;
}

void request_free(struct request *r)
{
    free(r->ops);
    free(r->backends);
}
