/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of NumPy's .npy: magic, version, length, and a dictionary of Python in text.
 */
#ifndef TELAR_PLUGINS_FORMATS_NPY_H
#define TELAR_PLUGINS_FORMATS_NPY_H

#include <telar/state.h>

#include "text.h"

/* Magic, version, and the longest form of the length. */
#define NPY_PREFIX 12
/* Headers are a hundred bytes: eight dimensions take no more. */
#define NPY_MOST_HEADER 65536

struct npy {
    tl_dtype dtype;
    int ndim;
    int64_t shape[TL_MAX_DIMS];
    bool fortran;       /* the first index runs fastest */
    bool swap;          /* big endian */
    uint64_t head, bytes; /* where the data begin, and how many there are */
};

bool npy_probe(const unsigned char *head, size_t size);
/** Bytes of prefix and header together, told by the first NPY_PREFIX bytes (fewer are an error). `what` is named in errors. */
tl_status npy_head_size(const char *what, const unsigned char *data, size_t size, uint64_t *head);
/** Parse all `size` bytes of prefix and header. */
tl_status npy_parse(const char *what, const unsigned char *data, size_t size, struct npy *n);
/** Make values in the file's order of bytes and of indices the tensor that is meant, `flat` being one of n->bytes bytes: reversed dimensions of
 *  Fortran's order become strides. NULL and an error. */
tl_tensor *npy_shaped(const char *what, const struct npy *n, tl_tensor *flat);
/** Are n bools, which come after `before` others, 0 or 1? */
tl_status npy_check_bools(const char *what, const unsigned char *data, size_t n, uint64_t before);
/** The shape to read the data with: reversed, if they are in Fortran's order. */
void npy_file_shape(const struct npy *n, int64_t shape[TL_MAX_DIMS]);

/** Prefix and header of a tensor, padded so that the data begin at a multiple of 64. */
tl_status npy_header(tl_tensor *t, struct text *to);

#endif
