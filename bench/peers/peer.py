# SPDX-License-Identifier: Apache-2.0
"""What the peers share: samples as telar-bench takes them, in rounds or when asked to (--serve)."""
import argparse
import json
import statistics
import sys
import time

WARM_UP = 2


def synchronize():
    """Wait for the device; a peer that has one puts its own function here."""


class Case:
    """A piece of work: prepare() returns a function that does it once."""

    def __init__(self, prepare, sample_ms):
        self.run = prepare()
        self.times = 1
        for _ in range(WARM_UP):
            ms = self.sample()
        while ms * self.times < sample_ms and self.times < 1 << 20:
            self.times *= 2
            ms = self.sample()

    def sample(self):
        """Milliseconds of one call."""
        run = self.run
        begun = time.perf_counter()
        for _ in range(self.times):
            run()
        synchronize()
        return (time.perf_counter() - begun) * 1e3 / self.times


def arguments(summary):
    p = argparse.ArgumentParser(description=summary)
    p.add_argument("part", nargs="*", help="only the cases whose names have one of these parts")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--sample-ms", type=float, default=5)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--serve", action="store_true", help="read names, answer each with the milliseconds of one sample")
    return p


def serve(cases, options):
    ready = {}
    for line in sys.stdin:
        name = line.strip()
        try:
            if name not in ready:
                ready[name] = Case(cases[name], options.sample_ms)
            answer = "%.9g" % ready[name].sample()
        except KeyError:
            answer = "none"
        except Exception as e:
            answer = "error " + str(e).replace("\n", " ")
        print(answer, flush=True)


def rounds(cases, options, backend):
    """One JSON object a line, as telar-bench --json prints them."""
    wanted = {n: c for n, c in cases.items() if not options.part or any(p in n for p in options.part)}
    ready = {name: Case(prepare, options.sample_ms) for name, prepare in wanted.items()}
    samples = {name: [] for name in ready}
    for _ in range(options.rounds):
        for name, case in ready.items():
            samples[name].append(case.sample())
    for name, ms in samples.items():
        print(json.dumps({"name": name, "backend": backend, "threads": options.threads,
                          "median_ms": statistics.median(ms), "min_ms": min(ms), "runs": len(ms)}))


def main(cases, options, backend):
    if options.serve:
        serve(cases, options)
    else:
        rounds(cases, options, backend)
