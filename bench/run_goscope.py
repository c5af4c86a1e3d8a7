#!/usr/bin/env python3
"""run_goscope.py BUILD_DIR [--quick] --json FILE - how long mapscope's looks at a Go program take, how much memory they
need, for how long --stop and --snapshot stop it, and what it loses by being looked at.

A look is told by its wall time and, as that depends on what else the machine does, by its processor time, of mapscope and
of the kernel for it.  Of `top` the first screen counts: from its start to the first table on a terminal, which may be of a part of the heap and says
so then; `list` is the whole look.

The pause is what mapscope prints.  Beside it stands what the target saw: a thread of it does nothing but read the clock, and the
longest gap between two readings is taken, over looks with each mode and over the same time with nobody looking: the
machine's own pauses.  The pause of --snapshot is the kernel's for copying tables of pages, so it is measured a second time
where the target's memory is in huge pages.  The loss is measured as in run_scope.py, in pairs.

A map is missed by a look that stops nothing if its only pointer goes from where the look has not been to where it was.  So the
target lets its maps trade places: now and then, and as fast as it can.
"""
import json
import os
import pty
import select
import subprocess
import time

import run_scope
import runner

WIDTH = 9


class Target(run_scope.Target):
    """A running gotarget."""

    def __init__(self, build, maps, entries, mib, threads):
        program = os.path.join(build, "bench", "bench_gotarget")
        if not os.access(program, os.X_OK):
            raise runner.Failed("bench_gotarget is not built: needs a Go toolchain")
        self.process = subprocess.Popen([program] + [str(n) for n in (maps, entries, mib, threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.line("ready")

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.line()

    def work(self):
        return int(self.ask("work"))

    def gap(self, during):
        """The longest pause its clock reader saw meanwhile, ms."""
        self.ask("watch")
        during()
        return int(self.ask("gap")) / 1e6


def look(command):
    """One look: its wall time, ms, and what it said."""
    began = time.monotonic()
    process = subprocess.Popen(command + ["-o", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    out, err = process.communicate()
    wall = (time.monotonic() - began) * 1000
    if process.returncode not in (0, 4):
        raise runner.Failed("%s failed (exit code %d): %s" % (" ".join(command), process.returncode, err.decode().strip()))
    return wall, json.loads(out)


def looks_at(command, looks):
    """Wall and processor time of each, ms."""
    wall, processor = [], []
    for i in range(looks):
        runner.progress("%s %d of %d" % (command[1], i + 1, looks))
        before = run_scope.spent()
        wall.append(look(command)[0])
        processor.append(run_scope.spent() - before)
    runner.progress()
    return {"wall": wall, "processor": processor}


def first_screen(command, most=60):
    """Wall time until `top` has shown its table on a terminal, ms."""
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    shown = b""
    while b"ENTRIES" not in shown:
        if time.monotonic() - began > most or not select.select([terminal], [], [], most)[0]:
            raise runner.Failed("%s showed nothing within %d s" % (" ".join(command), most))
        shown += os.read(terminal, 65536)
    wall = (time.monotonic() - began) * 1000
    os.write(terminal, b"q")
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # the terminal went with the program
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
    return wall


def peak(command):
    """Peak of resident memory of one look, MiB, as the kernel tells its parent: a process that starts nothing else."""
    script = ("import os,resource,subprocess,sys\n"
              "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run(["python3", "-c", script] + command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def pauses(target, command, looks):
    """What mapscope says and what the target saw, per look."""
    said, seen = [], []
    for i in range(looks):
        runner.progress("%s %d of %d" % (command[-1], i + 1, looks))
        seen.append(target.gap(lambda: said.append(look(command)[1]["target"]["pause_ns"] / 1e6)))
    runner.progress()
    return said, seen


def missed(target, command, looks):
    """While nothing moves, or maps trade places: percent of them that each look did not see; trades a second."""
    def seen():
        return [look(command)[1]["totals"]["maps"] for _ in range(looks)]

    counts, trades = {"nothing moves": seen()}, {}
    for name, each_ms in (("trades now and then", 100), ("trades without rest", 0)):
        target.ask("move %d" % each_ms)
        began = time.monotonic()
        counts[name] = seen()
        trades[name] = [int(target.ask("moved")) / (time.monotonic() - began)]
    there = max(counts["nothing moves"])
    return {name: [100 * (1 - n / there) for n in found] for name, found in counts.items()}, trades


def main():
    args = runner.parser("goscope", "How long mapscope's looks at a Go program take and stop it, and what they cost it.").parse_args()
    mapscope = os.path.join(args.build, "scope", "mapscope")
    looks, pairs = args.rounds or (3 if args.quick else 25), 1 if args.quick else 24
    many, heap, threads = (20000, 128, 100) if args.quick else (1000000, 2048, 100)
    cells, rows = [], []

    def add(op, n, unit, results):
        results = {name: runner.spread(values) for name, values in results.items()}
        cells.append(runner.cell("goscope", "u64-u64", n, op, results, unit))
        rows.extend(("%-10s %9d  %-28s" % (op, n, name), [runner.number(r[k]) for k in ("median", "min", "max")])
                    for name, r in results.items())

    with Target(args.build, many, 8, 0, 0) as target:
        command = [mapscope, "list", str(target.process.pid), "-n", "1"]
        add("list", many, "ms", looks_at(command, looks))
        add("peak", many, "MiB", {"live": [peak(command)]})
        lost, trades = missed(target, command, looks)
        add("missed", many, "%", lost)
        add("trades", many, "1/s", trades)
    with Target(args.build, 100, 20000, heap, 0) as target:
        command = [mapscope, "list", str(target.process.pid)]
        add("list_heap", heap, "ms", looks_at(command, looks))
        screen = [mapscope, "top", str(target.process.pid)]
        add("top_heap", heap, "ms", {"first screen": [first_screen(screen) for _ in range(looks)]})
        add("peak_heap", heap, "MiB", {"live": [peak(command)]})
        add("loss_heap", heap, "%", run_scope.losses(target, command, pairs))
        target.unpin()
        said, seen = pauses(target, command + ["--snapshot"], looks)
        nothing = [target.gap(lambda: time.sleep(0.3)) for _ in range(looks)]
        add("snapshot", heap, "ms", {"pause as printed": said, "as the target saw it": seen, "nobody looks": nothing})
        if int(target.ask("huge")) > heap // 2:
            said, seen = pauses(target, command + ["--snapshot"], looks)
            add("snapshot_huge", heap, "ms", {"pause as printed": said, "as the target saw it": seen})
    with Target(args.build, 100, 100, 0, threads) as target:
        said, seen = pauses(target, [mapscope, "list", str(target.process.pid), "--stop"], looks)
        nothing = [target.gap(lambda: time.sleep(0.1)) for _ in range(looks)]
        add("stop", threads, "ms", {"pause as printed": said, "as the target saw it": seen, "nobody looks": nothing})
    runner.print_machine()
    print("looks and pauses in ms, peaks in MiB, maps missed in percent, trades a second, processor time lost in percent over "
          "%d pairs; the number is of maps, MiB of heap, or threads" % pairs)
    runner.print_table([["median", "min", "max"]], rows, first=51, width=WIDTH)
    if args.json:
        runner.write_json(args.json, "goscope", looks, cells, quick=args.quick, pairs=pairs)


if __name__ == "__main__":
    runner.run_verb(main)
