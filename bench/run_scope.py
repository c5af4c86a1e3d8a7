#!/usr/bin/env python3
"""run_scope.py BUILD_DIR [--quick] --json FILE - how long mapscope's looks take, and what they cost the process
that is looked at.

What a look takes is its wall time, start of the tool included.

What the target loses is measured in pairs: two units of work while mapscope lists its maps over and over on the other
processor, two while it stands still (SIGSTOP), in the order without, with, with, without, and the other way round in every
second pair, so that what drifts takes from both alike.  The loss is the ratio of the processor times within a pair.  Beside
it stands what the same procedure finds when nobody looks in either half: the noise; and when what runs on the other processor
only counts, or only copies memory of its own: what any neighbour takes from the caches and the memory both share.

Recording, a moment a second: the processor time that it takes beyond its start, in percent, of maps at rest and of maps all of
which change; and what the target loses, in pairs of some seconds of work.
"""
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

import runner

MAPS, ENTRIES, BIG = 100000, 20, 10000000
UNITS_RECORDED = 12
LOOKER = min(os.sched_getaffinity(0))


class Target:
    """A running scope_target, pinned to the processor of all measurements."""

    def __init__(self, build, maps, entries):
        program = os.path.join(build, "bench", "scope_target")
        self.process = subprocess.Popen([program, str(maps), str(entries)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pin()
        self.line("ready")

    def line(self, wanted=None):
        line = self.process.stdout.readline().strip()
        if not line or (wanted and line != wanted):
            raise runner.Failed("scope_target ended early")
        return line

    def pin(self, processors=None):
        """All its threads, to the processor of all measurements."""
        for thread in os.listdir("/proc/%d/task" % self.process.pid):
            os.sched_setaffinity(int(thread), processors or {runner.PINNED_TO})

    def unpin(self):
        self.pin(os.sched_getaffinity(0))

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


def spent():
    """Processor time of all programs that ended so far, ms."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (use.ru_utime + use.ru_stime) * 1000


class Neighbour:
    """Runs a command again and again on the other processor, from `with` to its end, while `goes`; else it stands still."""

    def __init__(self, command):
        self.command, self.process, self.failed = command, None, None
        self.goes, self.ended, self.before = False, False, spent()
        self.lock, self.messages = threading.Lock(), tempfile.TemporaryFile("w+")
        self.start()
        self.thread = threading.Thread(target=self.run)

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.messages, preexec_fn=lambda: os.sched_setaffinity(0, {LOOKER}))
        self.signal()

    def signal(self):
        self.process.send_signal(signal.SIGCONT if self.goes else signal.SIGSTOP)

    def run(self):
        while self.process.wait() in (0, 4):
            with self.lock:
                if self.ended:
                    return
                self.start()
        self.failed = not self.ended

    def let(self, goes):
        with self.lock:
            self.goes = goes
            self.signal()
        time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with self.lock:
            self.ended = True
            self.process.kill()
        self.thread.join()
        if self.failed or spent() <= self.before:
            self.messages.seek(0)
            raise runner.Failed("%s did not run beside the target: %s" % (" ".join(self.command), self.messages.read().strip()))
        self.messages.close()


def look(command):
    """Wall time of one look, ms.  Exit code 4 says that a map could not be read exactly, and is a look all the same."""
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, {LOOKER}))
    if done.returncode not in (0, 4):
        raise runner.Failed("%s failed (exit code %d): %s" % (" ".join(command), done.returncode, done.stderr.strip()))
    return (time.monotonic() - began) * 1000


def pairs_with(target, let, pairs, name, units=1):
    """Percent of processor time lost, one value a pair of so many units of work each."""
    values = []
    for pair in range(pairs):
        runner.progress("work with and without %s beside it, pair %d of %d" % (name, pair + 1, pairs))
        times = {True: 0, False: 0}
        for goes in ((True, False, False, True) if pair % 2 else (False, True, True, False)):
            let(goes)
            times[goes] += sum(target.work() for _ in range(units))
        values.append(100 * (times[True] / times[False] - 1))
    runner.progress()
    return values


def losses(target, command, pairs):
    """What the target loses to looks, and, to judge that by, to nobody and to others; a list each, one value a pair."""
    beside = {"looks back to back": command,
              "nobody looks": None,
              "a neighbour that counts": [sys.executable, "-c", "while True: pass"],
              "a neighbour that copies": [sys.executable, "-c", "a = bytearray(1 << 26)\nwhile True: a[:] = bytes(a)"]}
    found = {}
    target.pin()
    target.work()
    for name, command in beside.items():
        if command:
            with Neighbour(command) as neighbour:
                found[name] = pairs_with(target, neighbour.let, pairs, name)
        else:
            found[name] = pairs_with(target, lambda _: time.sleep(0.01), pairs, name)
    return found


def recording(target, mapscope, moments, busy):
    """Processor time that so many moments, one a second, take of mapscope and its scribe, ms."""
    with tempfile.TemporaryDirectory() as place:
        before = spent()
        process = subprocess.Popen([mapscope, "record", str(target.process.pid), "-o", os.path.join(place, "a.rec"), "-i", "1",
                                    "--count", str(moments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   preexec_fn=lambda: os.sched_setaffinity(0, {LOOKER}))
        while process.poll() is None:
            if busy:
                target.work()
            else:
                time.sleep(0.1)
        if process.returncode not in (0, 4):
            raise runner.Failed("mapscope record failed (exit code %d)" % process.returncode)
        return spent() - before


def recording_share(target, mapscope, moments, busy):
    """Percent of a processor that recording takes, one moment a second, its start left out."""
    return (recording(target, mapscope, moments + 1, busy) - recording(target, mapscope, 1, busy)) / moments / 10


def recording_loss(target, mapscope, pairs):
    """What the target loses to being recorded every second: pairs of some seconds of work each."""
    target.pin()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        command = [mapscope, "record", str(target.process.pid), "-o", os.path.join(place, "a.rec"), "-i", "1"]
        with Neighbour(command) as neighbour:
            return pairs_with(target, neighbour.let, pairs, "record", UNITS_RECORDED)


def main():
    args = runner.parser("scope", "How long mapscope's looks take, and what they cost the process that is looked at.").parse_args()
    mapscope = os.path.join(args.build, "scope", "mapscope")
    if not os.access(mapscope, os.X_OK):
        raise runner.Failed("mapscope is not built in %s" % args.build)
    looks, pairs = args.rounds or (3 if args.quick else 15), 1 if args.quick else 24
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
        add("list", maps, "ms", {"mapscope": [look(command) for _ in range(looks)]})
        add("loss", maps, "%", losses(target, command, pairs))
        moments, rounds = (2, 1) if args.quick else (10, 3)
        add("record", maps, "%", {
            "of a processor, maps at rest": [recording_share(target, mapscope, moments, False) for _ in range(rounds)],
            "of a processor, all change": [recording_share(target, mapscope, moments, True) for _ in range(rounds)]})
        add("loss_record", maps, "%", {"recorded every second": recording_loss(target, mapscope, 1 if args.quick else 12)})
    with Target(args.build, 1, big) as target:
        pid = str(target.process.pid)
        for verb in ("show", "heat"):
            command = [mapscope, verb, pid, "first"]
            add(verb, big, "ms", {"mapscope": [look(command) for _ in range(looks)]})
        add("loss_heat", big, "%", losses(target, command, pairs))
    runner.print_machine()
    print("looks in ms; processor time lost in percent, over %d pairs" % pairs)
    runner.print_table([["median", "min", "max"]], rows, first=49, width=9)
    if args.json:
        runner.write_json(args.json, "scope", looks, cells, quick=args.quick, pairs=pairs)


if __name__ == "__main__":
    runner.run_verb(main)
