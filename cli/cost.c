/* SPDX-License-Identifier: Apache-2.0
 *
 * What models cost: each is built and walked on the device "meta", with its defaults, on one input.
 */
#include "cli/cli.h"

static tl_summary *walk(const struct tl_model *m, const struct tl_config *c, tl_module *net, struct cost *cost)
{
    int64_t shape[TL_MAX_DIMS] = {1};
    int n = m->input_shape(c, shape + 1);
    if (n < 0 || n >= TL_MAX_DIMS)
        return NULL;
    cost->ndim = n;
    for (int i = 0; i < n; i++)
        cost->shape[i] = shape[i + 1];
    tl_tensor *x = tl_model_example(m, c, n + 1, shape);
    return x ? tl_summarize_inputs(net, &x, 1) : NULL;
}

struct cost model_cost(const struct tl_model *m)
{
    struct cost cost = {.parameters = -1, .multiply_adds = -1};
    struct tl_config *c = tl_model_configure(m, NULL);
    TL_DEVICE("meta") TL_SCOPE {
        tl_module *net = c ? tl_model_build_with(m, c) : NULL;
        tl_summary *s = net ? walk(m, c, net, &cost) : NULL;
        if (net)
            cost.parameters = tl_module_parameter_count(net);
        if (s)
            cost.multiply_adds = tl_summary_totals(s).multiply_adds;
        tl_summary_free(s);
        tl_module_free(net);
    }
    tl_config_free(c);
    tl_error_clear(); /* one model that cannot be walked must not hide the others; telar summary says why */
    return cost;
}

const char *short_number(int64_t n, char *buffer, size_t size)
{
    static const char units[] = " kMGTPE";
    double x = (double)n;
    int unit = 0;
    for (; x >= 999.5 && units[unit + 1]; unit++)
        x /= 1000;
    if (n < 0)
        snprintf(buffer, size, "-");
    else if (unit == 0)
        snprintf(buffer, size, "%.0f", x);
    else
        snprintf(buffer, size, "%.*f %c", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x, units[unit]);
    return buffer;
}
