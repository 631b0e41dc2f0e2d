/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes that wrote through a view (PyTorch's CopySlices). With b the base before the write, b' after it, and r the region that the view shows:
 *
 *     b'[r] = f(b[r], others)          b' = b elsewhere
 *
 * so f's gradient function gets db'[r], and db is db' with the region replaced by what f gives for its first operand (zeros, if f
 * does not read it). The node keeps f's attributes and saved values; only its edge for that operand leads to b instead of b[r].
 */
#include <stdlib.h>

#include "core/internal.h"

tl_status region_attach(tl_node *n, tl_tensor *v, int self)
{
    tl_tensor *base = v->base;
    struct tl_strided_attrs from = strided_places(base), to = strided_places(v);
    struct region *r = malloc(sizeof *r);
    if (!r)
        return tl_fail(TL_ERR_NOMEM, "%s in place: out of memory", n->entry->op->name);
    region_describe(r, (tl_dtype)v->dtype, &from, &to);
    r->self = self;
    n->region = r;
    return node_connect(n, self, base);
}

tl_node *region_view(const tl_node *n, const tl_tensor *v, struct edge base)
{
    const struct region *r = n->region;
    struct tl_strided_attrs a = r->to;
    a.from_shape = r->from.shape;
    a.from_strides = r->from.strides;
    a.from_offset = r->from.offset;
    tl_node *view = view_node(&a, &r->base, v);
    if (view) {
        node_keep(base.node);
        view->next[0] = base;
        node_number(view);
    }
    return view;
}
