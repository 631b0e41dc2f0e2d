/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing tensors: their values are brought to the host, text.c writes them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/internal.h"
#include "core/tensor/text.h"

static struct tl_print_options chosen;
static pthread_mutex_t chosen_lock = PTHREAD_MUTEX_INITIALIZER;

void tl_set_print_options(struct tl_print_options o)
{
    pthread_mutex_lock(&chosen_lock);
    chosen = o;
    pthread_mutex_unlock(&chosen_lock);
}

static struct tl_print_options current_options(void)
{
    pthread_mutex_lock(&chosen_lock);
    struct tl_print_options o = chosen;
    pthread_mutex_unlock(&chosen_lock);
    return text_options(o);
}

/* t's values, row-major: its own memory, or a buffer that the caller frees. NULL and an error; elements there are. */
static const void *host_values(tl_tensor *t, void **buffer)
{
    if (t->storage->device->host && (t->flags & T_CONTIGUOUS))
        return tl_data(t);
    size_t bytes = (size_t)t->numel * tl_dtype_size((tl_dtype)t->dtype);
    *buffer = malloc(bytes);
    if (!*buffer) {
        tl_fail(TL_ERR_NOMEM, "print: no memory for a copy of %lld elements", (long long)t->numel);
        return NULL;
    }
    return tl_copy_out(t, (tl_dtype)t->dtype, *buffer, bytes) == TL_OK ? *buffer : NULL;
}

char *tl_to_string(tl_tensor *t)
{
    if (!t || is_none(t)) {
        tl_fail(TL_ERR_ARGUMENT, "print: the tensor is NULL or TL_NONE");
        return NULL;
    }
    void *buffer = NULL;
    struct text_source source = {
        .dtype = (tl_dtype)t->dtype,
        .ndim = t->ndim,
        .shape = t->shape,
        .numel = t->numel,
        .data = t->numel && !t->storage->valueless ? host_values(t, &buffer) : NULL,
        .device = t->storage->device->host ? NULL : t->storage->device->name,
        .grad_fn = history_of(t) ? tl_node_name(history_of(t)) : NULL,
        .requires_grad = needs_grad(t),
        .plain_dtype = (t->flags & T_WRAPPED) != 0,
        .valueless = t->storage->valueless,
    };
    struct tl_print_options options = current_options();
    char *text = source.data || source.valueless || t->numel == 0 ? text_of(&source, &options) : NULL;
    free(buffer);
    return text;
}

tl_status tl_fprint(FILE *to, tl_tensor *t)
{
    if (!to)
        return tl_fail(TL_ERR_ARGUMENT, "print: the stream is NULL");
    char *text = tl_to_string(t);
    if (!text)
        return tl_error_code();
    bool written = fputs(text, to) >= 0 && fputc('\n', to) != EOF;
    free(text);
    return written ? TL_OK : tl_fail(TL_ERR_IO, "print: cannot write to the stream: %s", strerror(errno));
}

tl_status tl_print(tl_tensor *t)
{
    return tl_fprint(stdout, t);
}
