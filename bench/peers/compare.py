# SPDX-License-Identifier: Apache-2.0
"""Time Telar and its peers in turns and print how they compare.

Every contender is a process that waits on a pipe and times one sample when it is sent a case's name. For each case and round
all contenders take one sample each, the first one changing from round to round, so that what else the machine does meanwhile
falls on all alike. Who waits is stopped, so that nobody's waiting threads take another's time. A ratio is the best peer's time over Telar's: above 1, Telar is faster.
"""
import argparse
import ctypes.util
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def has(module):
    return importlib.util.find_spec(module) is not None


def jemalloc():
    """Path of the allocator that serves PyTorch best, or None: BENCH_JEMALLOC, or what the system has."""
    name = os.environ.get("BENCH_JEMALLOC") or ctypes.util.find_library("jemalloc")
    return name or None


def contenders(options):
    env = dict(os.environ)
    env.setdefault("OMP_NUM_THREADS", str(options.threads))
    common = ["--serve", "--threads", str(options.threads), "--sample-ms", str(options.sample_ms)]
    own = dict(env)
    if options.device != "cpu":
        own["TELAR_BACKEND"] = options.device
    if options.tf32:
        own["TELAR_ALLOW_TF32"] = "1"
    yield "telar", [options.telar] + common, own
    yield "telar-program", [options.telar, "--program"] + common, own
    if has("torch"):
        preloaded = dict(env)
        if jemalloc():
            preloaded["LD_PRELOAD"] = jemalloc()
            preloaded.setdefault("MALLOC_CONF", "background_thread:true,dirty_decay_ms:-1,muzzy_decay_ms:-1")
        script = [sys.executable, "-B", os.path.join(HERE, "torch_peer.py")] + common + ["--device", options.device]
        if options.tf32:
            script.append("--tf32")
        yield "torch", script, preloaded
        yield "torch-channels-last", script + ["--channels-last"], preloaded
        if options.compiled:
            yield "torch-compiled", script + ["--channels-last", "--compile"], preloaded
    if options.device == "cpu" and has("onnxruntime") and has("onnx"):
        yield "onnxruntime", [sys.executable, "-B", os.path.join(HERE, "onnx_peer.py")] + common, env


class Contender:
    """A process that is stopped while it is not its turn: threads that wait for their next work in a loop, as those of
    onnxruntime do, would take the others' time."""

    def __init__(self, name, command, env):
        self.name = name
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sample(self, case):
        """Milliseconds of a call; None if this contender does not have the case."""
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        self.process.send_signal(signal.SIGSTOP)
        if answer == "none":
            return None
        if not answer or answer.startswith("error"):
            sys.exit("compare: %s, %s: %s" % (self.name, case, answer or "the program has ended"))
        return float(answer)

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def measure(case, all_contenders, rounds):
    """Samples of each contender that has the case. The first call, which warms up, does not count."""
    those = [c for c in all_contenders if c.sample(case) is not None]
    samples = {c.name: [] for c in those}
    for r in range(rounds):
        for i in range(len(those)):
            c = those[(i + r) % len(those)]
            samples[c.name].append(c.sample(case))
    return samples


def amount(ms):
    return "%.4g ns" % (ms * 1e6) if ms < 1e-3 else "%.4g us" % (ms * 1e3) if ms < 1 else "%.4g ms" % ms


def report(case, samples, options):
    medians = {n: statistics.median(s) for n, s in samples.items()}
    least = {n: min(s) for n, s in samples.items()}
    if options.json:
        for name, s in samples.items():
            print(json.dumps({"name": case, "backend": name, "threads": options.threads, "median_ms": medians[name],
                              "min_ms": least[name], "runs": len(s)}), flush=True)
        return
    ours = min((n for n in samples if n.startswith("telar")), key=medians.get)
    peers = [n for n in samples if not n.startswith("telar")]
    line = "%-24s %11s %11s" % (case + (" *" if ours != "telar" else ""), amount(medians[ours]), amount(least[ours]))
    if peers:
        by_median, by_least = min(peers, key=medians.get), min(peers, key=least.get)
        line += " %11s %11s %7.2f %7.2f  %s" % (amount(medians[by_median]), amount(least[by_least]),
                                                medians[by_median] / medians[ours], least[by_least] / least[ours], by_least)
    print(line, flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("part", nargs="*", help="only the cases whose names have one of these parts")
    p.add_argument("--telar", default="telar-bench", help="the program telar-bench")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--sample-ms", type=int, default=5)
    p.add_argument("--threads", type=int, default=int(os.environ.get("TELAR_NUM_THREADS") or len(os.sched_getaffinity(0))))
    p.add_argument("--device", default="cpu", help="cpu, or cuda: Telar's backend and PyTorch's device")
    p.add_argument("--compiled", action="store_true", help="also PyTorch with torch.compile, which takes a minute a network")
    p.add_argument("--tf32", action="store_true", help="let products and convolutions on a GPU round their operands to TF32")
    p.add_argument("--json", action="store_true", help="one object a line, for each contender")
    p.add_argument("--probe", action="store_true", help="only say by the exit status whether there is a peer")
    options = p.parse_args()
    if options.probe:
        return 0 if has("torch") or has("onnxruntime") and has("onnx") else 1
    listed = subprocess.run([options.telar, "--list"] + options.part, stdout=subprocess.PIPE, text=True, check=True)
    running = [Contender(*c) for c in contenders(options)]
    if not options.json:
        print("Threads: %d. Rounds: %d. Allocator of PyTorch: %s." % (options.threads, options.rounds, jemalloc() or "the system's"))
        print("%-24s %11s %11s %11s %11s %7s %7s" % ("", "Telar", "shortest", "best peer", "shortest", "ratio", "of best"))
    try:
        for case in listed.stdout.split():
            report(case, measure(case, running, options.rounds), options)
    finally:
        for c in running:
            c.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
