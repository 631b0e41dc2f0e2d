/* SPDX-License-Identifier: Apache-2.0
 *
 * Interrupts that training survives: Ctrl-C (SIGINT) and SIGTERM. A thread of its own waits for them, and every other has them blocked, for
 * no signal handler may run on a thread that computes: the matrix products of oneDNN up to 3.11.1 use the stack pointer as one more register,
 * and what a handler leaves below it there destroys the heap.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static atomic_bool survives, asked;
static sigset_t awaited;

bool interrupted(void)
{
    return atomic_load(&asked);
}

void survive_interrupts(void)
{
    atomic_store(&survives, true);
}

/* As if nobody had waited for it. */
static void let_it_kill(int signal_number)
{
    signal(signal_number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &awaited, NULL);
    raise(signal_number);
    _exit(128 + signal_number);
}

/* The first one asks; a second one kills, and so does one before there is anything to save. */
static void *await(void *ctx)
{
    int signal_number;
    (void)ctx;
    while (sigwait(&awaited, &signal_number) == 0) {
        if (!atomic_load(&survives) || interrupted())
            let_it_kill(signal_number);
        atomic_store(&asked, true);
    }
    return NULL;
}

tl_status await_interrupts(void)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    struct sigaction now;
    pthread_t thread;
    sigemptyset(&awaited);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) /* a shell's background jobs ignore SIGINT */
            sigaddset(&awaited, numbers[i]);
    int problem = pthread_sigmask(SIG_BLOCK, &awaited, NULL);
    if (!problem && (problem = pthread_create(&thread, NULL, await, NULL)) == 0)
        problem = pthread_detach(thread);
    return problem ? tl_fail(TL_ERR_NOMEM, "cannot start the thread that waits for interrupts: %s", strerror(problem)) : TL_OK;
}
