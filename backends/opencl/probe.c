/* SPDX-License-Identifier: Apache-2.0
 *
 * Drivers of OpenCL run in this process from the first question on, and some end it when the machine is not as they expect: PoCL does where it
 * finds no topology of the processor. So that question is first put to them in a child.
 */
#include "opencl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 32, PATIENCE_MS = 20000 };

/* What opencl.c will ask, with what they write about it left out. One byte says that they all answered. */
static _Noreturn void ask(int answer)
{
    cl_platform_id platforms[MOST];
    cl_device_id devices[MOST];
    cl_uint n = 0, found;
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) {
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
    }
    if (clGetPlatformIDs(MOST, platforms, &n) == CL_SUCCESS)
        for (cl_uint p = 0; p < n && p < MOST; p++)
            clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MOST, devices, &found);
    _exit(write(answer, "", 1) == 1 ? 0 : 1);
}

static tl_status judge(ssize_t got, int ready, pid_t child)
{
    int status = 0;
    if (ready == 0)
        kill(child, SIGKILL);
    bool reaped = waitpid(child, &status, 0) == child;
    if (got == 1)
        return TL_OK;
    if (ready == 0)
        return opencl_host->fail(TL_ERR_DEVICE, "opencl: a driver has not named its devices for %d seconds; OCL_ICD_VENDORS=FOLDER chooses others",
                                 PATIENCE_MS / 1000);
    return opencl_host->fail(TL_ERR_DEVICE, "opencl: a driver ends the program that asks for its devices (%s); OCL_ICD_VENDORS=FOLDER chooses others",
                             reaped && WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exits");
}

tl_status opencl_probe_drivers(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return opencl_host->fail(TL_ERR_IO, "opencl: no pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0)
        ask(ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return opencl_host->fail(TL_ERR_NOMEM, "opencl: no process to ask drivers in: %s", strerror(errno));
    }
    char byte;
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    int ready;
    do
        ready = poll(&p, 1, PATIENCE_MS);
    while (ready < 0 && errno == EINTR);
    ssize_t got = ready > 0 ? read(ends[0], &byte, 1) : 0;
    close(ends[0]);
    return judge(got, ready, child);
}
