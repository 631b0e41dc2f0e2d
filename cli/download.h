/* SPDX-License-Identifier: Apache-2.0
 *
 * Downloading a file over HTTP.
 */
#ifndef TELAR_CLI_DOWNLOAD_H
#define TELAR_CLI_DOWNLOAD_H

#include <stdio.h>
#include <telar/nn.h>
#include <telar/state.h>

struct download {
    const char *url;   /* https:// or http:// */
    const char *label; /* of the progress bar */
    FILE *progress;    /* NULL: none */
    int fd;            /* what is received goes there */
    int64_t from;      /* bytes that are there already, after which the rest is asked for; 0: everything */
    int64_t received;  /* set: bytes that came now */
    bool resumed;      /* set: the server gave the rest only, or said that nothing is left */
};

/* Is this the whole address of a file over HTTP? TL_ERR_ARGUMENT if not. */
tl_status download_check(const char *url);
/* Receive the file. On TL_OK all of it is in fd, as long as the server said that it is, no longer and no shorter; after an error fd holds as much
 * of the beginning as came. A server that cannot send a part sends everything, and what was there is written over. Over https nothing is
 * taken from elsewhere. */
tl_status download(struct download *d);

#endif
