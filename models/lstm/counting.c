/* SPDX-License-Identifier: Apache-2.0
 *
 * counting: the smallest recurrent network, s' = W s + U x without an activation, from s = 0. With U = W = 1 it counts the ones of a
 * sequence. The gradient with respect to early steps has factors W^m: with |W| > 1 it explodes, and with |W| < 1 it vanishes.
 */
#include "lstm.h"

static tl_tensor *forward(tl_module *m, tl_tensor *const *x, int n)
{
    (void)n;
    tl_tensor *u = tl_module_get(m, "U"), *w = tl_module_get(m, "W");
    tl_tensor *s = tl_mul(tl_select(x[0], 1, 0), u);
    for (int64_t t = 1; s && t < tl_size(x[0], 1); t++)
        s = tl_add(tl_mul(s, w), tl_mul(tl_select(x[0], 1, t), u));
    return s;
}

static tl_module *build(const struct tl_config *c)
{
    static const struct tl_module_class class = {sizeof class, "Counting", forward, NULL, NULL, 1};
    tl_module *m = tl_module_new(&class, 0);
    tl_module_parameter(m, "U", tl_full(TL_SHAPE0, tl_config_float(c, "U"), (struct tl_options){0}));
    tl_module_parameter(m, "W", tl_full(TL_SHAPE0, tl_config_float(c, "W"), (struct tl_options){0}));
    return m;
}

static int input_shape(const struct tl_config *c, int64_t shape[TL_MAX_DIMS])
{
    shape[0] = tl_config_int(c, "steps");
    return 1;
}

static const struct tl_plugin_option options[] = {
    {.name = "steps", .help = "numbers in a sequence", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 1 << 16, .role = TL_ROLE_FEATURES},
    {.name = "U", .help = "initial weight of the input", .kind = TL_OPTION_FLOAT, .fallback = "0.5", .low = -10, .high = 10},
    {.name = "W", .help = "initial weight of the state", .kind = TL_OPTION_FLOAT, .fallback = "0.5", .low = -10, .high = 10},
    {0},
};

const struct tl_model lstm_counting = {
    .struct_size = sizeof(struct tl_model),
    .tasks = TL_REGRESS,
    .name = "counting",
    .summary = "two weights that learn to count the ones of a sequence",
    .options = options,
    .data = "counting",
    .input_shape = input_shape,
    .build = build,
};
