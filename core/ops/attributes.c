/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of any op, read by their table: for what prints and saves them.
 */
#include "core/internal.h"

void attribute_read(const struct tl_attr_field *field, const void *attrs, struct attribute *a)
{
    const char *p = (const char *)attrs + field->offset;
    struct tl_dims dims;
    *a = (struct attribute){.kind = (tl_attr_kind)field->kind, .n = 1};
    switch (a->kind) {
    case TL_ATTR_I64: memcpy(a->v, p, sizeof *a->v); break;
    case TL_ATTR_PAIR:
        a->n = 2;
        memcpy(a->v, p, 2 * sizeof *a->v);
        break;
    case TL_ATTR_F64: memcpy(&a->number, p, sizeof a->number); break;
    case TL_ATTR_BOOL: a->v[0] = *p != 0; break;
    case TL_ATTR_DTYPE: memcpy(&a->dtype, p, sizeof a->dtype); break;
    case TL_ATTR_DIMS:
        memcpy(&dims, p, sizeof dims);
        a->n = dims.n < 0 ? 0 : dims.n > TL_MAX_DIMS ? TL_MAX_DIMS : (int)dims.n;
        memcpy(a->v, dims.v, (size_t)a->n * sizeof *a->v);
        break;
    }
}
