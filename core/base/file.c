/* SPDX-License-Identifier: Apache-2.0
 *
 * Files, read and written safely. Reading maps a regular file (whose size is the truth that everything declared inside
 * is compared with). Writing goes to a temporary file in the same folder, which takes the old one's place by rename only when
 * every byte is on the disk: whatever fails before, the old file is as it was. What a writer that was killed leaves goes with the next
 * one to the same file (stale.c).
 *
 * A mapped file that another program shortens meanwhile faults when it is touched, as for every reader that maps files; files written
 * here are replaced, never shortened.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <telar/state.h>
#include <time.h>
#include <unistd.h>

#include "core/internal.h"

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* The memory of a map, which tensors over it keep. */
struct mapping {
    atomic_size_t refs;
    void *data;
    size_t size;
};

static void mapping_release(void *ctx)
{
    struct mapping *m = ctx;

    if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1)
        return;
    munmap(m->data, m->size);
    free(m);
}

static tl_status map_descriptor(int fd, const char *path, struct tl_map *map)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return tl_fail(TL_ERR_IO, "cannot examine \"%s\": %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return tl_fail(TL_ERR_IO, "\"%s\" is %s, not a regular file", path, S_ISDIR(st.st_mode) ? "a folder" : "a pipe or a device");
    if ((uintmax_t)st.st_size > SIZE_MAX / 2)
        return tl_fail(TL_ERR_LIMIT, "\"%s\" has %jd bytes, more than can be mapped", path, (intmax_t)st.st_size);
    if (st.st_size == 0) {
        *map = (struct tl_map){.data = (const unsigned char *)""};
        return TL_OK;
    }
    struct mapping *m = malloc(sizeof *m);
    if (!m)
        return tl_fail(TL_ERR_NOMEM, "no memory to map \"%s\"", path);
    /* Private and writable: a tensor over the map that is written gets pages of its own, and the file stays as it is. Most are never
     * written, so no memory is set aside for that. */
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (at == MAP_FAILED) {
        free(m);
        return tl_fail(TL_ERR_IO, "cannot map \"%s\": %s", path, strerror(errno));
    }
    m->data = at;
    m->size = (size_t)st.st_size;
    atomic_init(&m->refs, 1);
    *map = (struct tl_map){.data = at, .size = m->size, .private_ = m};
    return TL_OK;
}

tl_status tl_map_open(const char *path, struct tl_map *map)
{
    if (!path || !map)
        return tl_fail(TL_ERR_ARGUMENT, "map_open: a path, and a place for the map are needed");
    /* O_NONBLOCK: opening a pipe without a writer must not wait. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return tl_fail(TL_ERR_IO, "cannot open \"%s\": %s", path, strerror(errno));
    tl_status s = map_descriptor(fd, path, map);
    close(fd);
    return s;
}

void tl_map_close(struct tl_map *map)
{
    if (!map)
        return;
    if (map->private_)
        mapping_release(map->private_);
    *map = (struct tl_map){0};
}

/* Bytes of a shape's elements; false if there are more than memory can address. */
static bool shape_bytes(int ndim, const int64_t *shape, tl_dtype dtype, uint64_t *bytes)
{
    bool empty = false, good = ndim >= 0 && ndim <= TL_MAX_DIMS && (ndim == 0 || shape) && tl_dtype_size(dtype) > 0;

    *bytes = tl_dtype_size(dtype);
    for (int i = 0; good && i < ndim; i++) {
        good = shape[i] >= 0;
        empty = empty || shape[i] == 0;
    }
    for (int i = 0; good && !empty && i < ndim; i++)
        good = tl_size_mul(*bytes, (uint64_t)shape[i], bytes);
    if (empty)
        *bytes = 0;
    return good;
}

/* After a copy its source is not needed any more: without this a file whose tensors are all copied takes its size twice. What was
 * written there is lost. */
static void forget_pages(const struct mapping *m, uintptr_t from, uint64_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)m->data;

    if (from < start || from - start > m->size || bytes > m->size - (from - start))
        return;
    uintptr_t begin = (from + page - 1) / page * page, end = (from + (uintptr_t)bytes) / page * page;
    if (end > begin)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void tl_map_forget(const struct tl_map *map, const void *data, size_t size)
{
    if (map && map->private_ && data)
        forget_pages(map->private_, (uintptr_t)data, size);
}

void map_copy(void *mapping, void *to, const void *from, size_t bytes)
{
    enum { STEP = 1 << 20 };
    for (size_t at = 0; at < bytes; at += STEP) {
        size_t n = bytes - at < STEP ? bytes - at : STEP;
        memcpy((unsigned char *)to + at, (const unsigned char *)from + at, n);
        forget_pages(mapping, (uintptr_t)from + at, n);
    }
}

/* Do its values lie in a map, as the file has them? What was copied out of one, forget_pages() passes over. */
static bool lies_in_map(const tl_tensor *t)
{
    return t->storage->release == mapping_release && storage_version(t->storage) == 0;
}

void tl_from_map_forget(tl_tensor *t)
{
    if (t && !is_none(t) && (t->flags & T_CONTIGUOUS) && lies_in_map(t) && !storage_native(t->storage)) {
        size_t element = tl_dtype_size((tl_dtype)t->dtype);
        forget_pages(t->storage->release_ctx, (uintptr_t)t->storage->mem.handle + (size_t)t->offset * element, (uint64_t)t->numel * element);
    }
}

/* Of bytes that nobody has asked for yet: without making them the tensor's own. */
static bool copy_unaligned(tl_tensor *t, void *to, size_t begin, size_t bytes)
{
    if (!storage_native(t->storage))
        return false;
    storage_lock(t->storage);
    const struct native *n = storage_native(t->storage);
    bool there = n && n->in_map;
    if (there && to)
        map_copy(t->storage->release_ctx, to, (const unsigned char *)n->view.mem.handle + begin, bytes);
    storage_unlock(t->storage);
    return there;
}

tl_status tl_from_map_copy(tl_tensor *t, void *to)
{
    if (!t || is_none(t))
        return tl_fail(TL_ERR_ARGUMENT, "from_map_copy: the tensor is NULL or TL_NONE");
    size_t element = tl_dtype_size((tl_dtype)t->dtype), bytes = (size_t)t->numel * element;
    if (bytes == 0 || ((t->flags & T_CONTIGUOUS) && copy_unaligned(t, to, (size_t)t->offset * element, bytes)))
        return TL_OK;
    const void *data = tl_data(t);
    if (data && to && lies_in_map(t))
        map_copy(t->storage->release_ctx, to, data, bytes);
    else if (data && to)
        memcpy(to, data, bytes);
    return data ? TL_OK : tl_error_code();
}

/* A tensor over bytes that it copies when somebody looks; the caller counts its reference. */
static tl_tensor *unaligned(struct mapping *m, const void *data, uint64_t bytes, int ndim, const int64_t *shape, tl_dtype dtype)
{
    storage *s = storage_unaligned(data, (size_t)bytes);
    tl_tensor *t = s ? tensor_over(s, dtype, ndim, shape, NULL, 0) : NULL;
    if (t) {
        s->release = mapping_release;
        s->release_ctx = m;
    }
    return t;
}

tl_tensor *tl_from_map(const struct tl_map *map, const void *data, int ndim, const int64_t *shape, tl_dtype dtype)
{
    const struct tl_options on_host = {.dtype = dtype, .device = "cpu"};
    uintptr_t from = (uintptr_t)data, start = map ? (uintptr_t)map->data : 0;
    uint64_t bytes;

    if (!map || !data) {
        tl_fail(TL_ERR_ARGUMENT, "from_map: a map, and a place in it are needed");
        return NULL;
    }
    if (!shape_bytes(ndim, shape, dtype, &bytes)) {
        tl_fail(TL_ERR_LIMIT, "from_map: %d dimensions of %s are no tensor that memory can hold", ndim, tl_dtype_name(dtype));
        return NULL;
    }
    if (from < start || from - start > map->size || bytes > map->size - (from - start)) {
        tl_fail(TL_ERR_TRUNCATED, "from_map: %" PRIu64 " bytes do not lie in a map of %zu", bytes, map->size);
        return NULL;
    }
    struct mapping *m = map->private_;
    bool aligned = from % tl_dtype_size(dtype) == 0;
    if (!m || bytes == 0 || (!aligned && bytes <= INLINE_BYTES))
        return tl_from_data(ndim, shape, data, on_host);
    tl_tensor *t = aligned ? tl_from_memory(ndim, shape, (void *)from, on_host, mapping_release, m) : unaligned(m, data, bytes, ndim, shape, dtype);
    if (t)
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return t;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

/* Follow symbolic links, so that the file is replaced and not the link. malloc()ed. */
static char *real_target(const char *path)
{
    struct stat st;
    char *target = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : strdup(path);

    if (!target)
        tl_fail(errno == ENOMEM ? TL_ERR_NOMEM : TL_ERR_IO, "cannot write \"%s\": %s", path, strerror(errno));
    return target;
}

/* Replacing would not ask for leave to write the old file: ask here. */
static tl_status check_old(const char *path, mode_t *mode)
{
    struct stat st;

    *mode = 0;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? TL_OK : tl_fail(TL_ERR_IO, "cannot write \"%s\": %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return tl_fail(TL_ERR_IO, "cannot write \"%s\": it is %s, not a regular file", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "a pipe or a device");
    if (access(path, W_OK) != 0)
        return tl_fail(TL_ERR_IO, "cannot write \"%s\": %s", path, strerror(errno));
    *mode = st.st_mode & 0777;
    return TL_OK;
}

/* Make "<path>.<letters>.tmp" and open it: it is in the same folder, so that rename works, and nobody else's. */
static int open_temporary(const char *path, char **name)
{
    static unsigned counter;
    size_t size = strlen(path) + 40;
    char *s = malloc(size);
    int fd = -1;

    for (int attempt = 0; s && fd < 0 && attempt < 100; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        unsigned number = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
        snprintf(s, size, "%s.%lx-%x-%x.tmp", path, (unsigned long)getpid() & 0xffffffff, (unsigned)now.tv_nsec, number);
        fd = open(s, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
        if (fd >= 0 && !temporary_lock(fd)) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) {
        tl_fail(s ? TL_ERR_IO : TL_ERR_NOMEM, "cannot write \"%s\": %s", path, strerror(errno));
        free(s);
        s = NULL;
    }
    *name = s;
    return fd;
}

tl_status tl_atomic_begin(struct tl_atomic_file *f, const char *path)
{
    mode_t mode = 0;
    struct tl_atomic_file made = {0};

    if (!f || !path || !path[0])
        return tl_fail(TL_ERR_ARGUMENT, "atomic_begin: a path is needed");
    *f = made;
    if (!(made.path = real_target(path)))
        return tl_error_code();
    tl_status s = check_old(made.path, &mode);
    if (s != TL_OK) {
        free(made.path);
        return s;
    }
    temporaries_clear(made.path);
    int fd = open_temporary(made.path, &made.temporary);
    if (fd < 0) {
        free(made.path);
        return tl_error_code();
    }
    if (mode)
        (void)!fchmod(fd, mode); /* as the old file; a file system without modes is no failure */
    if (!(made.file = fdopen(fd, "wb"))) {
        s = tl_fail(TL_ERR_NOMEM, "cannot write \"%s\": %s", made.path, strerror(errno));
        close(fd);
        unlink(made.temporary);
        free(made.temporary);
        free(made.path);
        return s;
    }
    *f = made;
    return TL_OK;
}

/* A rename is on the disk only when its folder is. */
static tl_status sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    tl_status s = TL_OK;

    /* Some file systems refuse to sync folders (EINVAL): they have no more to offer. A folder that may not be listed
     * cannot be opened; the new file is in place all the same. */
    if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        s = tl_fail(TL_ERR_IO, "\"%s\" is written, but its folder cannot be synchronised: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(folder);
    return s;
}

tl_status tl_atomic_commit(struct tl_atomic_file *f)
{
    const char *what = NULL;

    if (!f || !f->file)
        return tl_fail(TL_ERR_STATE, "atomic_commit: no file is being written");
    errno = 0;
    if (ferror(f->file) || fflush(f->file) != 0)
        what = "write";
    else if (fsync(fileno(f->file)) != 0)
        what = "synchronise";
    int number = errno, held = dup(fileno(f->file)); /* with the lock, until the file has its name */
    if (fclose(f->file) != 0 && !what) {
        what = "close";
        number = errno;
    }
    f->file = NULL;
    if (!what && rename(f->temporary, f->path) != 0) {
        what = "rename the temporary file to";
        number = errno;
    }
    if (held >= 0)
        close(held);
    if (what) {
        tl_status s = tl_fail(TL_ERR_IO, "cannot %s \"%s\": %s%s", what, f->path, number ? strerror(number) : "an earlier write failed",
                              number == ENOSPC ? "; the old file, if there was one, is as it was" : "");
        tl_atomic_abort(f);
        return s;
    }
    tl_status s = sync_folder(f->path);
    free(f->path);
    free(f->temporary);
    *f = (struct tl_atomic_file){0};
    return s;
}

void tl_atomic_abort(struct tl_atomic_file *f)
{
    if (!f)
        return;
    if (f->file)
        fclose(f->file);
    if (f->temporary)
        unlink(f->temporary);
    free(f->path);
    free(f->temporary);
    *f = (struct tl_atomic_file){0};
}

tl_status tl_atomic_try(const char *path)
{
    struct tl_atomic_file f;
    tl_status s = tl_atomic_begin(&f, path);

    if (s == TL_OK)
        tl_atomic_abort(&f);
    return s;
}
