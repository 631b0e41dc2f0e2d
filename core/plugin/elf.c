/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared object that was cut short, by a full disk or a broken download, kills the process inside dlopen(): the dynamic linker
 * maps what the headers promise, and touching a page past the file's end is a SIGBUS. So the promise is checked first. Whatever
 * is not an ELF file of this machine's width is left to the dynamic linker, which refuses it in its own words.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include "core/internal.h"
#include "core/plugin/loader.h"

enum { HEADERS_AT_ONCE = 16 };

static bool read_at(int fd, void *to, size_t bytes, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, to, bytes, (off_t)offset) == (ssize_t)bytes;
}

/* The end of the last byte that the program headers want from the file; UINT64_MAX if they want the impossible. */
static uint64_t end_of_segments(int fd, const ElfW(Ehdr) *header)
{
    ElfW(Phdr) segments[HEADERS_AT_ONCE];
    uint64_t end = header->e_phoff + (uint64_t)header->e_phnum * sizeof *segments;
    if (end < header->e_phoff)
        return UINT64_MAX;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const unsigned at = i % HEADERS_AT_ONCE, left = header->e_phnum - i;
        const size_t bytes = (left < HEADERS_AT_ONCE ? left : HEADERS_AT_ONCE) * sizeof *segments;
        if (at == 0 && !read_at(fd, segments, bytes, header->e_phoff + i * sizeof *segments))
            return UINT64_MAX;
        const uint64_t last = (uint64_t)segments[at].p_offset + segments[at].p_filesz;
        if (last < segments[at].p_offset)
            return UINT64_MAX;
        if (segments[at].p_type == PT_LOAD && last > end)
            end = last;
    }
    return end;
}

bool elf_is_whole(const char *path, uint64_t size)
{
    ElfW(Ehdr) header;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* dlopen() will say why */
    bool whole = true;
    if (read_at(fd, &header, sizeof header, 0) && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
        header.e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) && header.e_phentsize == sizeof(ElfW(Phdr)))
        whole = end_of_segments(fd, &header) <= size;
    close(fd);
    return whole;
}
