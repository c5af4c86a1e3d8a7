#!/usr/bin/env python3
"""run_scope.py BUILD_DIR [--quick] --json FILE - how long mapscope's looks take, and what they cost the process
that is looked at.

What a look takes is its wall time, start of the tool included.  What the target loses is measured in pairs of
the same unit of work, one while mapscope lists its maps over and over (on the other processor), one while nothing
does; which comes first changes from pair to pair.  The loss is the ratio of the processor times within a pair, and
beside it stands what the same procedure finds when nobody looks in either half: the noise.
"""
import os
import subprocess
import threading
import time

import runner

MAPS, ENTRIES, BIG = 100000, 20, 10000000
LOOKER = min(os.sched_getaffinity(0))


class Target:
    """A running scope_target, pinned to the processor of all measurements."""

    def __init__(self, build, maps, entries):
        program = os.path.join(build, "bench", "scope_target")
        self.process = subprocess.Popen([program, str(maps), str(entries)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {runner.PINNED_TO}))
        self.line("ready")

    def line(self, wanted=None):
        line = self.process.stdout.readline().strip()
        if not line or (wanted and line != wanted):
            raise runner.Failed("scope_target ended early")
        return line

    def work(self):
        """Processor time of a unit of work, ns."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.line())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Looker:
    """Runs a command again and again, from `with` to its end."""

    def __init__(self, command):
        self.command = command
        self.stop, self.looks = threading.Event(), 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            look(self.command)
            self.looks += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def look(command):
    """Wall time of one look, ms.  Exit code 4 says that a map could not be read exactly, and is a look all the same."""
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, {LOOKER}))
    if done.returncode not in (0, 4):
        raise runner.Failed("%s failed (exit code %d): %s" % (" ".join(command), done.returncode, done.stderr.strip()))
    return (time.monotonic() - began) * 1000


def loss(target, command, pairs):
    """Percent of processor time lost, one value a pair; command None: nobody looks."""
    values = []
    for pair in range(pairs):
        runner.progress("work with and without %s, pair %d of %d"
                        % (" ".join(command[1:2]) if command else "nothing", pair + 1, pairs))
        times = {}
        for looking in ((True, False) if pair % 2 else (False, True)):
            if looking and command:
                with Looker(command) as looker:
                    time.sleep(0.05)
                    times[looking] = target.work()
                if not looker.looks:
                    raise runner.Failed("mapscope did not look while the target worked")
            else:
                time.sleep(0.05)
                times[looking] = target.work()
        values.append(100 * (times[True] / times[False] - 1))
    runner.progress()
    return values


def main():
    args = runner.parser("scope", "How long mapscope's looks take, and what they cost the process that is looked at.").parse_args()
    mapscope = os.path.join(args.build, "scope", "mapscope")
    if not os.access(mapscope, os.X_OK):
        raise runner.Failed("mapscope is not built in %s" % args.build)
    looks, pairs = args.rounds or (3 if args.quick else 15), 4 if args.quick else 24
    maps, big = (MAPS, 200000 if args.quick else BIG)
    cells = []

    def add(op, n, unit, results):
        results = {name: runner.spread(values) for name, values in results.items()}
        cells.append(runner.cell("scope", "u64-u64", n, op, results, unit))
        rows.extend(("%-12s %9d  %-24s" % (op, n, name), [runner.number(r[k]) for k in ("median", "min", "max")])
                    for name, r in results.items())

    rows = []
    with Target(args.build, maps, ENTRIES) as target:
        command = [mapscope, "list", str(target.process.pid)]
        target.work()
        add("list", maps, "ms", {"mapscope": [look(command) for _ in range(looks)]})
        add("loss", maps, "%", {"looks back to back": loss(target, command, pairs),
                                "nobody looks": loss(target, None, pairs)})
    with Target(args.build, 1, big) as target:
        pid = str(target.process.pid)
        for verb in ("show", "heat"):
            command = [mapscope, verb, pid, "first"]
            add(verb, big, "ms", {"mapscope": [look(command) for _ in range(looks)]})
        add("loss_heat", big, "%", {"looks back to back": loss(target, command, pairs),
                                    "nobody looks": loss(target, None, pairs)})
    runner.print_machine()
    print("looks in ms; processor time lost in percent, over %d pairs" % pairs)
    runner.print_table([["median", "min", "max"]], rows, first=49, width=9)
    if args.json:
        runner.write_json(args.json, "scope", looks, cells, quick=args.quick, pairs=pairs)


if __name__ == "__main__":
    runner.run_verb(main)
