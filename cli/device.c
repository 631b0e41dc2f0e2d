/* SPDX-License-Identifier: Apache-2.0
 *
 * The device that a command computes on, and the seed that it draws with.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/cli.h"

/* Add "did you mean …?" to the error that is set, if one of the names is near. */
static tl_status suggest(const char *word, const char *const *names, size_t n)
{
    const char *near = tl_nearest_name(word, names, n);
    tl_status code = tl_error_code();
    char message[1024];
    if (!near)
        return code;
    snprintf(message, sizeof message, "%s", tl_error_message());
    tl_error_clear();
    return tl_fail(code, "%s; did you mean \"%s\"?", message, near);
}

/* No backend of the list opens: perhaps its first name is misspelt. */
static tl_status suggest_backend(const char *list)
{
    static struct tl_plugin_info found[MAX_FOUND];
    const char *names[MAX_FOUND];
    char word[64];
    size_t n = tl_plugins("backend", false, found, MAX_FOUND);
    n = n < MAX_FOUND ? n : MAX_FOUND;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(list, ",:"), list);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(found[i].name, word) == 0)
            return tl_error_code(); /* it is spelt well, and fails for another reason */
        names[i] = found[i].name;
    }
    return suggest(word, names, n);
}

/* The default device, opened. */
static tl_status open_device(void)
{
    const char *list = getenv("TELAR_BACKEND");
    if (tl_default_device())
        return TL_OK;
    return list ? suggest_backend(list) : tl_error_code();
}

tl_status set_device(const struct invocation *v)
{
    if (v->set.threads > 0)
        tl_set_num_threads((int)v->set.threads);
    if (v->set.strict)
        tl_set_math(TL_MATH_STRICT);
    if (!v->set.device)
        return open_device();
    return tl_set_backend(v->set.device) == TL_OK ? TL_OK : suggest_backend(v->set.device);
}

uint64_t choose_draw_seed(const struct invocation *v)
{
    uint64_t seed = (uint64_t)v->set.seed;
    if (!given(v, "seed") && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = 0;
    return seed;
}
