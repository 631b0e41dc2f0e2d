/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of telar-bench share: a case is a piece of work that is timed.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <telar/model.h>
#include <telar/nn.h>

enum { CASE_KEPT = 8 };

/** What a case keeps between calls. Tensors are kept references; all is released by the driver. */
struct bench_state {
    tl_tensor *kept[CASE_KEPT];
    tl_module *net;
    tl_optimizer *optimizer;
    tl_program *program; /**< of the work, if --program asks for it */
    void *memory[2]; /**< malloc()ed */
};

/** A case. `variant` is for its functions. `run` does the work `times` times and waits for the device. */
struct bench_case {
    const char *name;
    int variant;
    tl_status (*prepare)(struct bench_state *s, int variant);
    tl_status (*run)(struct bench_state *s, int variant, int64_t times);
    double flops, bytes; /**< of one call: arithmetic, and memory read and written; 0: not worth a rate */
    bool large;          /**< takes seconds or gigabytes: run only where a part of its name is given */
};

/** Are networks and regressions to be run as programs? */
extern bool bench_programs;

/** Each part's cases, ending with name NULL. */
extern const struct bench_case machine_cases[], op_cases[], work_cases[];

#endif
