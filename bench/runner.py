"""runner.py - what the scripts run_*.py share: which implementations there are, how their programs are run so
that they can be compared, and how results become text and JSON.

Every implementation is a program of its own, whatever language it is written in:

    PROGRAM TYPE N [--seed S] [--ops A,B,...] [--work W]

measures the operations at N entries and prints one line of JSON:

    {"type":"u64-u64","n":1000,"results":{"hit":[7.25,3000000],...}}     value, number of timed operations

What an operation it does not have is left out; exit code 77: it does not have this type.  Any other code is a
failure (a lost key, no memory) and ends the whole run: a broken table has no speed.

On a machine that does other things too, three habits make figures comparable: programs take turns within a
round, so that a slow minute hits all of them; they measure processor time, pinned to one processor; and two
implementations are compared by the ratio within each round, of which the median is taken.
"""
import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import namedtuple

# name, program, what must be there for it to be built.  "+aes": with gomap's own hash, so that the tables are
# compared; without: what the library does when nobody says otherwise.  The last: settings of gomap (GOMAP_CONF).
Impl = namedtuple("Impl", "name program needs conf", defaults=[""])
IMPLS = [
    Impl("gomap", "bench_gomap", ""),
    Impl("gomap-generic", "bench_gomap_generic", ""),
    Impl("gomap-speed", "bench_gomap", "", "mode:speed"),
    Impl("gomap-memory", "bench_gomap", "", "mode:memory"),
    Impl("boost+aes", "bench_boost_aes", "libboost1.81-dev"),
    Impl("boost", "bench_boost", "libboost1.81-dev"),
    Impl("absl+aes", "bench_absl_aes", "libabsl-dev"),
    Impl("absl", "bench_absl", "libabsl-dev"),
    Impl("std+aes", "bench_std_aes", ""),
    Impl("std", "bench_std", ""),
    Impl("glib", "bench_glib", "libglib2.0-dev"),
    Impl("uthash", "bench_uthash", "uthash-dev"),
    Impl("stb_ds", "bench_stb_ds", "libstb-dev"),
    Impl("judy", "bench_judy", "libjudy-dev"),
    Impl("go", "bench_go", "a Go toolchain"),
    Impl("rust", "bench_rust", "a Rust compiler"),
    Impl("hashbrown", "bench_hashbrown", "cargo and the crate hashbrown"),
]
TYPES = {"u64-u64": ("u64", "u64"), "u32-u32": ("u32", "u32"),
         "str-u64": ("string of 16-32 bytes", "u64"), "u64-s64": ("u64", "64-byte struct")}
# operation: two lines of column heading, in the order of the tables
OPS = {
    "insert": ("insert", ""), "insert_reserved": ("insert", "reserv"),
    "hit": ("hit", ""), "hit_dependent": ("hit", "depend"), "hit_batched": ("hit", "batch"),
    "hit_growing": ("hit", "growth"), "miss": ("miss", ""), "miss_churned": ("miss", "churn"),
    "erase": ("erase", "all"), "churn": ("churn", "pair"), "iterate": ("iter.", ""), "rss": ("RSS", "bytes"),
}
RIVALS = ("boost+aes", "boost")  # the summaries compare gomap with these
WORK, QUICK_WORK = 1000000, 30000  # least number of operations in what is timed
PINNED_TO = max(os.sched_getaffinity(0))  # interrupts tend to go to the first processor


class Failed(Exception):
    """A program failed; the text names it."""


def unit(op):
    return "bytes" if op == "rss" else "ns"


def progress(text=""):
    """A line on the terminal that the next one overwrites; nothing elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write("\r%-78.78s%s" % (text, "" if text else "\r"))
        sys.stderr.flush()


# Running programs

def pinned(command, conf=""):
    """Run a command on the one processor all measurements use; its CompletedProcess, output as text."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env=dict(os.environ, GOMAP_CONF=conf) if conf else None,
                          preexec_fn=lambda: os.sched_setaffinity(0, {PINNED_TO}))


def program_path(build, impl):
    return os.path.join(build, "bench", impl.program)


def run_program(build, impl, kind, n, seed, ops, work, wrapper=()):
    """One process: {operation: (value, operations timed)}, or None if the implementation lacks this type."""
    command = list(wrapper) + [program_path(build, impl), kind, str(n), "--seed", str(seed),
                               "--ops", ",".join(ops), "--work", str(work)]
    done = pinned(command, impl.conf)
    if done.returncode == 77:
        return None
    try:
        if done.returncode == 0:
            results = json.loads(done.stdout)["results"]
            return {op: tuple(results[op]) for op in ops if op in results}
    except (ValueError, KeyError, TypeError):
        pass
    raise Failed("%s failed at %s, %d entries (exit code %d): %s"
                 % (impl.name, kind, n, done.returncode, done.stderr.strip() or "no message"))


def measure(build, impls, kind, n, rounds, ops, work):
    """The programs in turn, round after round: {implementation: {operation: [a value per round]}}."""
    values = {}
    for number in range(1, rounds + 1):
        for impl in impls:
            progress("%s, %d entries, round %d of %d: %s" % (kind, n, number, rounds, impl.name))
            results = run_program(build, impl, kind, n, number, ops, work)
            for op, (value, _) in (results or {}).items():
                values.setdefault(impl.name, {}).setdefault(op, []).append(value)
    progress()
    return values


def count_instructions(build, impl, kind, n, op, work):
    """Instructions per operation in the programs' measured part, or None if the operation is not there."""
    with tempfile.NamedTemporaryFile() as out:
        wrapper = ["valgrind", "--tool=callgrind", "--toggle-collect=*measured*",
                   "--callgrind-out-file=" + out.name]
        results = run_program(build, impl, kind, n, 1, [op], work, wrapper)
        if not results or op not in results:
            return None
        for line in open(out.name, encoding="utf-8", errors="replace"):
            if line.startswith("totals:"):
                return int(line.split()[1]) / results[op][1]
    raise Failed("callgrind counted nothing in %s" % impl.name)


# Numbers

def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(mine, other):
    """Median of the ratios within the rounds; mine and other are lists with a value per round."""
    return statistics.median(a / b for a, b in zip(mine, other))


def geomean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def number(x):
    """At most six characters, three digits that count."""
    if x is None:
        return "-"
    if x < 9.995:
        return "%.2f" % x
    return "%.1f" % x if x < 99.95 else "%.0f" % x


# Text and JSON

def cell(bench, kind, n, op, results, unit_name=None):
    """One measured thing; results: {implementation: {median, min, max}}."""
    key, value = TYPES[kind]
    return {"bench": bench, "key": key, "value": value, "n": n, "op": op, "unit": unit_name or unit(op),
            "results": results}


def print_table(heads, rows, first=13, width=7):
    """heads: one list of column headings per line; rows: (name, [cells])."""
    for head in filter(any, heads):
        print((" " * first + "".join("%*s" % (width, h) for h in head)).rstrip())
    for name, cells in rows:
        print("%-*s" % (first, name) + "".join("%*s" % (width, c) for c in cells))


def op_heads(ops):
    return [[OPS[op][0] for op in ops], [OPS[op][1] for op in ops]]


def first_line(command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "none"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    about = {"processor": processor(), "processors": os.cpu_count(), "system": platform.platform(),
             "compiler": first_line(["c++", "--version"]), "flags": "-O3"}
    for name, command in (("go", ["go", "version"]), ("rust", ["rustc", "--version"])):
        about[name] = first_line(command)
    return about


def print_machine():
    print("%(processor)s, %(processors)d processors; %(compiler)s %(flags)s" % machine())
    print("+aes: with gomap's hash; the others with their library's own. README.md tells what is measured.")


def write_json(path, bench, rounds, cells, **more):
    document = {"schema": "gomap-bench/2", "bench": bench, "machine": machine(), "rounds": rounds,
                "cells": cells}
    document.update(more)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
        out.write("\n")


# Command line

def names_of(known, what):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError("no %s '%s'; there are: %s" % (what, name, ", ".join(known)))
        return chosen
    return parse


def sizes_of(text):
    sizes = [int(size) if size.isdecimal() else 0 for size in text.split(",")]
    if not all(1 <= size <= 10**9 for size in sizes):
        raise argparse.ArgumentTypeError("'%s' are no sizes (1 .. 10^9, by commas)" % text)
    return sizes


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("'%s' is no positive number" % text)
    return int(text)


def parser(verb, about, known=None):
    """The options every verb has.  BUILD_DIR is put there by script/bench.  known: implementations, if not IMPLS."""
    args = argparse.ArgumentParser(prog="bench " + verb, description=about)
    args.add_argument("build", metavar="BUILD_DIR", help=argparse.SUPPRESS)
    args.add_argument("--quick", action="store_true", help="seconds instead of hours: does it work?")
    args.add_argument("--json", metavar="FILE", help="write the results there too")
    args.add_argument("--impl", metavar="A,B",
                      type=names_of(known or [i.name for i in IMPLS], "implementation"),
                      help="only these implementations")
    args.add_argument("--rounds", type=positive, metavar="N", help="repetitions, each with other keys")
    return args


def present(build, wanted=None):
    """The implementations that were built, and the rivals that were not: (list, {name: reason})."""
    here, skipped = [], {}
    for impl in IMPLS:
        if wanted and impl.name not in wanted:
            continue
        if os.access(program_path(build, impl), os.X_OK):
            here.append(impl)
        elif impl.needs:
            skipped[impl.name] = "needs " + impl.needs
        else:
            raise Failed("%s is not there: nothing was built" % program_path(build, impl))
    return here, skipped


def print_skipped(skipped):
    for reason in dict.fromkeys(skipped.values()):
        print("skipped: %s (%s)" % (", ".join(n for n, r in skipped.items() if r == reason), reason))


def run_verb(main):
    """main() of a script: its exit code, or 1 after a line that names the program that failed."""
    sys.stdout.reconfigure(line_buffering=True)  # a run takes hours: show what is there
    try:
        sys.exit(main() or 0)
    except Failed as failure:
        progress()
        sys.exit("bench: %s" % failure)
    except KeyboardInterrupt:
        progress()
        sys.exit(130)
