/* SPDX-License-Identifier: Apache-2.0
 *
 * What a compiled kernel says about itself: a cubin is an ELF file whose section .nv.info.NAME lists attributes, among them each parameter's
 * size. (The format is what `readelf -x` shows of NVRTC's output.)
 */
#include "driver.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

enum { PARAMETER = 0x17, MOST_THREADS = 0x05, WITH_SIZE = 4 };

static uint32_t word_at(const unsigned char *p)
{
    uint32_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static void read_attributes(const unsigned char *at, const unsigned char *end, struct kernel_info *info)
{
    while (at + 4 <= end) {
        int format = at[0], attribute = at[1];
        size_t size = format == WITH_SIZE ? at[2] | (size_t)at[3] << 8 : 0;
        const unsigned char *value = at + 4;
        if (value + size > end)
            return;
        if (attribute == PARAMETER && size == 12) {
            unsigned ordinal = word_at(value + 4) & 0xffff;
            if (ordinal < FAKE_PARAMETERS) {
                info->size[ordinal] = word_at(value + 8) >> 18;
                info->n++;
            }
        } else if (attribute == MOST_THREADS && size == 12) {
            info->threads = word_at(value) * word_at(value + 4) * word_at(value + 8);
        }
        at = value + size;
    }
}

bool fake_read_image(const void *image, const char *name, struct kernel_info *info)
{
    const unsigned char *bytes = image;
    const Elf64_Ehdr *head = image;
    char wanted[300];
    *info = (struct kernel_info){.n = -1, .threads = 1024};
    if (memcmp(bytes, ELFMAG, SELFMAG) != 0) /* PTX */
        return strstr(image, name) != NULL;
    const Elf64_Shdr *sections = (const void *)(bytes + head->e_shoff);
    const char *names = (const char *)bytes + sections[head->e_shstrndx].sh_offset;
    snprintf(wanted, sizeof wanted, ".nv.info.%s", name);
    for (int i = 0; i < head->e_shnum; i++)
        if (strcmp(names + sections[i].sh_name, wanted) == 0) {
            const unsigned char *start = bytes + sections[i].sh_offset;
            info->n = 0;
            read_attributes(start, start + sections[i].sh_size, info);
            return true;
        }
    return false;
}
