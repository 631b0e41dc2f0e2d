/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding and reading the files of a data set. Files are opened once and looked at through the descriptor, so that what is
 * checked is what is read; pipes and devices are refused, since reading them could wait for ever.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "files.h"

#include <telar/registry.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef TL_HAVE_ZLIB
#include <zlib.h>
#endif

static tl_status open_regular(const char *path, int *fd)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return tl_fail(errno == ENOENT ? TL_ERR_NOT_FOUND : TL_ERR_IO, "cannot open \"%s\": %s", path, strerror(errno));
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
        return TL_OK;
    close(*fd);
    return tl_fail(TL_ERR_IO, "\"%s\" is not a regular file", path);
}

#ifdef TL_HAVE_ZLIB
typedef gzFile source;

static source source_open(int fd)
{
    gzFile f = gzdopen(fd, "rb");

    if (f)
        gzbuffer(f, 1 << 17);
    return f;
}

static int source_read(source f, void *to, unsigned n)
{
    return gzread(f, to, n);
}

/* Status of a finished or failed read: damage shows in the stream's error, or only when it is closed. */
static tl_status source_close(source f, const char *path, bool failed)
{
    int code = Z_OK;
    const char *words = gzerror(f, &code);
    char text[200];

    /* zlib puts the name that it knows the file by in front, "<fd:3>: ". */
    const char *end = strncmp(words, "<fd:", 4) == 0 ? strstr(words, ">: ") : NULL;
    snprintf(text, sizeof text, "%s", code == Z_ERRNO ? strerror(errno) : end ? end + 3 : words);
    int closed = gzclose_r(f);
    if (code == Z_BUF_ERROR || closed == Z_BUF_ERROR)
        return tl_fail(TL_ERR_TRUNCATED, "\"%s\" is a gzip file that ends too early", path);
    if (code == Z_DATA_ERROR)
        return tl_fail(TL_ERR_FORMAT, "\"%s\" is a damaged gzip file: %s", path, text);
    if (failed || closed != Z_OK)
        return tl_fail(TL_ERR_IO, "cannot read \"%s\": %s", path, text);
    return TL_OK;
}
#else
typedef FILE *source;

static source source_open(int fd)
{
    return fdopen(fd, "rb");
}

static int source_read(source f, void *to, unsigned n)
{
    size_t got = fread(to, 1, n, f);

    return ferror(f) ? -1 : (int)got;
}

static tl_status source_close(source f, const char *path, bool failed)
{
    int number = errno;

    fclose(f);
    return failed ? tl_fail(TL_ERR_IO, "cannot read \"%s\": %s", path, strerror(number)) : TL_OK;
}
#endif

/* Grow by doubling, so that memory follows what was read and not what a header claims. */
static bool make_room(struct bytes *b, size_t *room, size_t limit)
{
    if (*room - b->size > 1)
        return true;
    size_t more = *room < (1 << 16) ? (1 << 16) : *room * 2;
    if (more > limit + 2)
        more = limit + 2;
    unsigned char *grown = more > *room ? realloc(b->data, more) : NULL;
    if (!grown)
        return false;
    b->data = grown;
    *room = more;
    return true;
}

static tl_status read_all(source f, const char *path, size_t limit, struct bytes *b)
{
    size_t room = 0;
    int got = 0;

    do {
        b->size += (size_t)got;
        if (b->size > limit) {
            source_close(f, path, false);
            return tl_fail(TL_ERR_LIMIT, "\"%s\" holds more than the %zu bytes that are expected at most", path, limit);
        }
        if (!make_room(b, &room, limit)) {
            source_close(f, path, false);
            return tl_fail(TL_ERR_NOMEM, "no memory for \"%s\" after %zu bytes", path, b->size);
        }
        size_t want = room - b->size - 1;
        got = source_read(f, b->data + b->size, want > (1u << 24) ? 1u << 24 : (unsigned)want);
    } while (got > 0);
    return source_close(f, path, got < 0);
}

tl_status files_read(const char *path, size_t limit, struct bytes *out)
{
    struct bytes b = {0};
    int fd;
    tl_status s = open_regular(path, &fd);

    if (s != TL_OK)
        return s;
    source f = source_open(fd);
    if (!f) {
        close(fd);
        return tl_fail(TL_ERR_NOMEM, "no memory to read \"%s\"", path);
    }
    if (limit > SIZE_MAX / 4)
        limit = SIZE_MAX / 4;
    s = read_all(f, path, limit, &b);
#ifndef TL_HAVE_ZLIB
    if (s == TL_OK && b.size >= 2 && b.data[0] == 0x1f && b.data[1] == 0x8b)
        s = tl_fail(TL_ERR_UNSUPPORTED, "\"%s\" is a gzip file, and this build has no zlib: unpack it with gunzip", path);
#endif
    if (s != TL_OK) {
        free(b.data);
        return s;
    }
    b.data[b.size] = 0;
    *out = b;
    return TL_OK;
}

/* ---- Places ---- */

static char *join3(const char *a, const char *b, const char *c)
{
    const char *slash = b[0] ? "/" : "";
    size_t size = strlen(a) + strlen(slash) + strlen(b) + strlen(c) + 1;
    char *s = malloc(size);

    if (s)
        snprintf(s, size, "%s%s%s%s", a, slash, b, c);
    else
        tl_fail(TL_ERR_NOMEM, "no memory for a path of %zu bytes", size);
    return s;
}

char *files_join(const char *folder, const char *name, const char *ending)
{
    return join3(folder, name, ending);
}

bool files_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool files_some_like(const char *folder, const char *pattern)
{
    DIR *dir = opendir(folder);
    struct dirent *e = NULL;

    while (dir && (e = readdir(dir)) && fnmatch(pattern, e->d_name, 0) != 0)
        continue;
    if (dir)
        closedir(dir);
    return e != NULL;
}

char *files_find(const char *set, bool (*holds)(const char *folder, const char *name), const char *name, char *looked, size_t size)
{
    char *folder;

    for (int i = 0; (folder = tl_data_folder(i)); i++) {
        char *place = join3(folder, set, "");
        size_t used = strlen(looked);
        free(folder);
        if (place && holds(place, name))
            return place;
        snprintf(looked + used, size - used, "%s%s", used ? ", " : "", place ? place : "");
        free(place);
    }
    return NULL;
}
