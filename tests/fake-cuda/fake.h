/* SPDX-License-Identifier: Apache-2.0
 *
 * Libraries that stand in for NVIDIA's, so that the host side of the CUDA backend can be tested where there is no GPU. Copies and memsets are done for
 * real, late, as a device does them: when somebody waits. Kernels are not run; that they are launched is written down. What a driver would
 * not forgive, or would forgive and should not, is a line "flaw" in the log.
 *
 *   FAKE_CUDA_LOG=FILE            one line for each thing that is done
 *   FAKE_CUDA_DEVICES=N           how many devices there are (1)
 *   FAKE_CUDA_CAPABILITY=90       their compute capability
 *   FAKE_CUDA_FAULT=WORD,WORD…    what is wrong:
 *     no-device                   the driver finds none
 *     driver=11080                its version
 *     init=CODE                   what cuInit() says
 *     memory=BYTES                of a device; allocating more fails
 *     oom@N                       allocation number N fails, once (numbers count from the opening of the context)
 *     pinned                      host memory cannot be pinned
 *     fail@N=CODE                 launch number N ruins the device: whoever waits, and whatever is called after that, gets CODE
 *     reject=N                    the first N modules are not taken
 *     cudnn=VERSION, cublaslt=VERSION
 *     decline                     cuDNN and cuBLASLt know no way to compute anything
 */
#ifndef TELAR_TESTS_FAKE_CUDA_H
#define TELAR_TESTS_FAKE_CUDA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_API __attribute__((visibility("default")))

void fake_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** A mistake of the caller. */
void fake_flaw(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Is the word among the faults? `value`, if not NULL, becomes what follows "=". */
bool fake_fault(const char *word, long long *value);
/** Is word@N among them, for this number? */
bool fake_fault_at(const char *word, long long number, long long *value);
long long fake_number(const char *variable, long long otherwise);

/** For the other libraries: enqueues on the driver's queue what reads and writes at these addresses. False: it is refused. */
bool fake_launch(const char *name, void *stream, const uint64_t *addresses, int n);

/** What a function does that the table of library.h names and no file here defines. */
int fake_default(const char *name);

#endif
