/* SPDX-License-Identifier: Apache-2.0
 *
 * Files for tests: a folder of their own, writing bytes into it, gzip without a library.
 */
#ifndef TELAR_TESTS_FILES_H
#define TELAR_TESTS_FILES_H

#include "tap.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char files_folder[200], files_path[400];

/** Make the folder. */
__attribute__((unused)) static void files_begin(const char *name)
{
    const char *base = getenv("TMPDIR");

    snprintf(files_folder, sizeof files_folder, "%.120s/%s.XXXXXX", base && base[0] ? base : "/tmp", name);
    if (mkdtemp(files_folder) == NULL) {
        bail_out("mkdtemp %s: %s", files_folder, strerror(errno));
    }
}

/** Remove it with all that is in it. */
__attribute__((unused)) static void files_end(void)
{
    char command[300];

    snprintf(command, sizeof command, "rm -rf '%s'", files_folder);
    if (system(command) != 0) {
        diag("%s stays", files_folder);
    }
}

/** "folder/name", until the next call. */
__attribute__((unused)) static const char *files_name(const char *name)
{
    snprintf(files_path, sizeof files_path, "%s/%s", files_folder, name);
    return files_path;
}

/** Write bytes to folder/name, and return that path, which holds until the next call. */
__attribute__((unused)) static const char *files_write(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(files_name(name), "wb");

    if (f == NULL || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
        bail_out("cannot write %s: %s", files_path, strerror(errno));
    }
    return files_path;
}

/** A folder below it. */
__attribute__((unused)) static const char *files_mkdir(const char *name)
{
    if (mkdir(files_name(name), 0777) != 0 && errno != EEXIST) {
        bail_out("cannot make %s: %s", files_path, strerror(errno));
    }
    return files_path;
}

/** gzip of n bytes (under 65536), stored and not compressed, into `to`, which has n + 23 bytes; returns that size. */
__attribute__((unused)) static size_t files_gzip(const unsigned char *bytes, size_t n, unsigned char *to)
{
    static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    uint32_t crc = 0xffffffff;
    size_t at = 10;

    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    crc = ~crc;
    memcpy(to, head, sizeof head);
    to[at++] = 1;
    to[at++] = (unsigned char)n;
    to[at++] = (unsigned char)(n >> 8);
    to[at++] = (unsigned char)~n;
    to[at++] = (unsigned char)(~n >> 8);
    memcpy(to + at, bytes, n);
    at += n;
    for (int i = 0; i < 4; i++) {
        to[at++] = (unsigned char)(crc >> 8 * i);
    }
    for (int i = 0; i < 4; i++) {
        to[at++] = (unsigned char)((uint32_t)n >> 8 * i);
    }
    return at;
}

/** A reproducible stream of numbers. */
__attribute__((unused)) static uint32_t files_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
