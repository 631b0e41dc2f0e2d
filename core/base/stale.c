/* SPDX-License-Identifier: Apache-2.0
 *
 * Temporary files of writers that died. A writer holds a lock on its temporary file until the file has its name; the system takes the lock from
 * a process that ends, however it ends. So a temporary file that can be locked is nobody's, in any process and any container that shares the
 * folder. Where a file system has no locks nothing is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/internal.h"

bool temporary_lock(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK;
    return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* "<base>.<hexadecimal>-<hexadecimal>-<hexadecimal>.tmp"? */
static bool is_temporary_of(const char *name, const char *base)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(base);
    if (strncmp(name, base, n) != 0 || name[n] != '.')
        return false;
    name += n + 1;
    for (int i = 0; i < 3; i++) {
        size_t length = strspn(name, digits);
        if (length == 0 || name[length] != (i < 2 ? '-' : '.'))
            return false;
        name += length + 1;
    }
    return strcmp(name, "tmp") == 0;
}

/* Still the file that was opened, and this user's? */
static bool is_ours(int folder, const char *name, int fd)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino && S_ISREG(opened.st_mode) && opened.st_uid == geteuid();
}

static void remove_if_stale(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_ours(folder, name, fd))
        unlinkat(folder, name, 0);
    close(fd);
}

void temporaries_clear(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *above = !slash ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    DIR *folder = above ? opendir(above) : NULL;
    for (struct dirent *e; folder && (e = readdir(folder));)
        if (is_temporary_of(e->d_name, base))
            remove_if_stale(dirfd(folder), e->d_name);
    if (folder)
        closedir(folder);
    free(above);
}
