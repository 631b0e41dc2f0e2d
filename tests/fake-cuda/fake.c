/* SPDX-License-Identifier: Apache-2.0
 *
 * The log and the faults. Each of the libraries has its own copy; they append to one file, a line at a time.
 */
#include "fake.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_line(const char *kind, const char *format, va_list args)
{
    const char *path = getenv("FAKE_CUDA_LOG");
    char line[500];
    int n = snprintf(line, sizeof line, "%s", kind);
    vsnprintf(line + n, sizeof line - 1 - (size_t)n, format, args);
    size_t length = strlen(line);
    line[length] = '\n';
    if (kind[0] && !path)
        fwrite(line, 1, length + 1, stderr);
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file < 0)
        return;
    if (write(file, line, length + 1) < 0)
        perror(path);
    close(file);
}

void fake_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void fake_flaw(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("flaw: ", format, args);
    va_end(args);
}

/* The next word of the list that begins with `word`, and what follows it. */
static const char *find_fault(const char *word, const char *from)
{
    size_t n = strlen(word);
    for (const char *at = from; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, n) == 0 && strchr(",=@", at[n]))
            return at + n;
    return NULL;
}

bool fake_fault(const char *word, long long *value)
{
    const char *rest = find_fault(word, getenv("FAKE_CUDA_FAULT"));
    if (rest && value && *rest == '=')
        *value = strtoll(rest + 1, NULL, 0);
    return rest != NULL;
}

bool fake_fault_at(const char *word, long long number, long long *value)
{
    for (const char *rest = getenv("FAKE_CUDA_FAULT"); (rest = find_fault(word, rest)); rest = strchr(rest, ',') ? strchr(rest, ',') + 1 : NULL) {
        char *end;
        if (*rest != '@' || strtoll(rest + 1, &end, 10) != number)
            continue;
        if (value && *end == '=')
            *value = strtoll(end + 1, NULL, 0);
        return true;
    }
    return false;
}

bool fake_launch(const char *name, void *stream, const uint64_t *addresses, int n)
{
    /* The library is loaded, and none of its names is seen from here. */
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    bool (*launch)(const char *, void *, const uint64_t *, int) = NULL;
    if (driver)
        *(void **)&launch = dlsym(driver, "fake_driver_launch");
    bool done = launch && launch(name, stream, addresses, n);
    if (driver)
        dlclose(driver);
    return done;
}

long long fake_number(const char *variable, long long otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoll(text, NULL, 10) : otherwise;
}
