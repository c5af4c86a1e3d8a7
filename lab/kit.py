"""kit.py - what experiments share: running programs, repeating them until the median is known, and words for verdicts.

An experiment is lab/NAME/experiment.py with TITLE, ANSWERS, PROGRAMS, run(lab), judge(data), tables(data) and
plots(data); lab/README.md describes each.  run() gets a Lab and returns raw data; the other three are pure functions of
that data, so that a report can be made again without measuring.

Statistics: figures are medians over rounds.  The interval beside one is the 95 % percentile bootstrap interval of the
median.  It is computed exactly, without drawing: the median of a resample is at most the k-th smallest sample if
at least half of its draws are, and their number is binomial (n, k/n).
"""
import functools
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

LAB = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(LAB)
sys.path.append(os.path.join(ROOT, "bench"))
import runner  # noqa: E402  bench/runner.py

CONFIRMED, REFUTED, DEPENDS = "confirmed", "refuted", "depends"
INCONCLUSIVE, NOT_HERE = "inconclusive", "not answerable here"
VERDICTS = (CONFIRMED, REFUTED, DEPENDS, INCONCLUSIVE, NOT_HERE)

Verdict = namedtuple("Verdict", "id verdict claimed measured note", defaults=[""])
Table = namedtuple("Table", "title columns rows note", defaults=[""])
Plot = namedtuple("Plot", "title svg caption", defaults=[""])
Summary = namedtuple("Summary", "median low high spread n")  # low, high: 95 %; spread: (most - least) / median

# least and most rounds; seconds after which an experiment starts no round beyond the least; seconds for one program
Level = namedtuple("Level", "least most seconds timeout")
LEVELS = {"smoke": Level(1, 1, 2, 120), "quick": Level(5, 15, 25, 300), "full": Level(20, 40, 150, 1800)}
WITHIN = 0.05  # a median is known when its interval lies within this share of it

# The model of callgrind's cache simulation: the same on every machine (size, ways, line).
CACHE = {"I1": "32768,8,64", "D1": "32768,8,64", "LL": "8388608,16,64"}


class Failed(Exception):
    """A program failed, or found a wrong result; the text names it."""


class Missing(Exception):
    """A tool or a package is not on this machine.  Out of run(): all verdicts are NOT_HERE, with this text."""


# Numbers

def _binomial_tail(n, p, least):
    """P(X >= least), X binomial (n, p)."""
    return sum(math.comb(n, k) * p ** k * (1 - p) ** (n - k) for k in range(least, n + 1))


_RANKS = {}


def _low_rank(n):
    """1-based rank of the sample at the 2.5 % quantile of the bootstrap distribution of the median of n."""
    if n not in _RANKS:
        _RANKS[n] = next(k for k in range(1, n + 1) if _binomial_tail(n, k / n, (n + 1) // 2) >= 0.025)
    return _RANKS[n]


def summary(samples):
    """Median of the samples, its 95 % bootstrap interval, spread, and their number."""
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("summary of no samples")
    n = len(ordered)
    median = statistics.median(ordered)
    rank = _low_rank(n)
    spread = (ordered[-1] - ordered[0]) / abs(median) if median else math.inf if ordered[-1] > ordered[0] else 0.0
    return Summary(median, ordered[rank - 1], ordered[n - rank], spread, n)


def ratio(mine, other):
    """Summary of the ratios within the rounds: both lists have a sample per round of the same lab.rounds()."""
    return summary([a / b for a, b in zip(mine, other, strict=True)])


def known(what, within=WITHIN):
    """Does the interval lie within this share of the median, whatever the number of samples?"""
    reach = within * abs(what.median)
    return what.high - what.median <= reach and what.median - what.low <= reach


def conclusive(what, within=WITHIN, least=5):
    """May a verdict rest on this median?"""
    return what.n >= least and known(what, within)


def above(what, bound):
    """The whole interval lies above the bound."""
    return what.low > bound


def below(what, bound):
    return what.high < bound


def figure(x):
    """Three digits that count: 0.0123, 1.23, 123, 12 345."""
    if isinstance(x, str):
        return x
    if isinstance(x, bool) or x is None:
        return {True: "yes", False: "no", None: "-"}[x]
    if isinstance(x, int) or abs(x) >= 1000:
        return "{:,}".format(round(x)).replace(",", "\u202f")
    return "%.3g" % x


def said(what, unit="", digits=figure):
    """A summary as text: `12.3 ns [12.1, 12.6]`."""
    text = digits(what.median) + (" " + unit if unit else "")
    if what.low == what.high:
        return text
    return "%s [%s, %s]" % (text, digits(what.low), digits(what.high))


def not_here(ids, reason, claimed=""):
    """Verdicts for what cannot be answered on this machine."""
    return [Verdict(name, NOT_HERE, claimed, "", reason) for name in ([ids] if isinstance(ids, str) else ids)]


# What the system says

def proc_fields(path):
    """{name: number} of a /proc file with lines `Name:  123 kB`, e.g. /proc/self/status, /proc/PID/smaps_rollup."""
    fields = {}
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = re.match(r"([\w()]+):\s+(\d+)", line)
            if found:
                fields[found[1]] = int(found[2])
    return fields


@functools.cache
def machine():
    """What a report says of the machine; kept with the data."""
    compiler = runner.first_line([os.environ.get("CC", "cc"), "--version"])
    return {"processor": runner.processor(), "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "compiler": compiler, "libc": " ".join(platform.libc_ver()), "memory_mib":
            proc_fields("/proc/meminfo")["MemTotal"] // 1024, "valgrind": runner.first_line(["valgrind", "--version"]),
            "go": runner.first_line(["go", "env", "GOVERSION"])}


def tool(name):
    """Path of a command, or Missing."""
    path = shutil.which(name)
    if not path:
        raise Missing("%s is not installed" % name)
    return path


# Go

CLASSIC_GO = "go1.23.12"  # the last line of Go versions whose map is the one the articles describe
NEWEST_GO = "go1.27.3"  # of the other design, by the module proxy


def go_env(toolchain="", **more):
    """Environment for the go command.  toolchain: "" for the machine's own, "go1.23.12" through the module proxy."""
    env = dict(os.environ, GOFLAGS="-buildvcs=false", GOTOOLCHAIN=toolchain or "local", GOWORK="off")
    env.update(more)
    return env


@functools.cache
def _ask_go(toolchain):
    """(version, "") or ("", why not).  Where the checksum database is out of reach, the version it states must do."""
    why = ""
    for more in ({}, {"GONOSUMDB": "*", "GOFLAGS": "-insecure"}):
        try:
            done = subprocess.run([tool("go"), "env", "GOVERSION"], env=go_env(toolchain, **more), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False, timeout=200)
        except (Missing, subprocess.TimeoutExpired) as reason:
            return "", str(reason)
        if done.returncode == 0 and (not toolchain or done.stdout.strip() == toolchain):
            return done.stdout.strip(), ""
        why = why or last_line(done.stderr)
    return "", "the Go toolchain %s cannot be had: %s" % (toolchain, why)


def go_version(toolchain=""):
    """The version of a toolchain, e.g. "go1.23.12"; Missing when it cannot be had."""
    version, why = _ask_go(toolchain)
    if why:
        raise Missing(why)
    return version


def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"


# The laboratory

class Lab:
    """What run() gets.  One per run of an experiment."""

    def __init__(self, name, level, build, say=lambda text: None):
        self.name, self.level, self.build, self.say = name, level, build, say
        self.limits = LEVELS[level]
        self.missing = {}  # program: why it is not there
        self.repeated = []  # number of rounds of each call of rounds()
        self.scratch = None  # a folder that is removed after the run
        self.started = time.monotonic()
        self.folder = os.path.join(LAB, name)

    # Parameters

    def pick(self, smoke, quick, full):
        return {"smoke": smoke, "quick": quick, "full": full}[self.level]

    @property
    def smoke(self):
        return self.level == "smoke"

    def time_left(self):
        """Seconds until no further round is started."""
        return self.limits.seconds - (time.monotonic() - self.started)

    # Programs

    def program(self, name):
        """Path of a program of this experiment; Missing, with the reason, when it was not built."""
        path = os.path.join(self.build, "lab", self.name, name)
        if name in self.missing:
            raise Missing("%s: %s" % (name, self.missing[name]))
        if not os.access(path, os.X_OK):
            raise Missing("%s was not built: a package it needs is not there" % name)
        return path

    def have(self, name):
        try:
            return bool(self.program(name))
        except Missing:
            return False

    def run(self, command, env=None, pin=True, timeout=None, cwd=None, stdin=subprocess.DEVNULL):
        """Any command, on the one processor all measurements use unless pin is False: its CompletedProcess, as text.
        Smoke runs, of which there are several at a time, are not pinned."""
        pin = pin and not self.smoke
        try:
            return subprocess.run([str(c) for c in command], stdin=stdin, capture_output=True, text=True,
                                  errors="replace", check=False, cwd=cwd, timeout=timeout or self.limits.timeout,
                                  env=dict(os.environ, **env) if env else None,
                                  preexec_fn=(lambda: os.sched_setaffinity(0, {runner.PINNED_TO})) if pin else None)
        except subprocess.TimeoutExpired as late:
            raise Failed("%s did not end within %d s" % (os.path.basename(str(command[0])), late.timeout)) from None
        except OSError as why:
            raise Missing("%s cannot be run: %s" % (command[0], why.strerror)) from None

    def call(self, program, *args, env=None, pin=True, wrapper=()):
        """Run a program of this experiment and parse the one JSON document it prints.  wrapper: a command in front."""
        done = self.run([*wrapper, self.program(program), *args], env, pin)
        what = " ".join([program, *map(str, args)])
        if done.returncode != 0:
            raise Failed("%s: exit code %d: %s" % (what, done.returncode, done.stderr.strip() or "no message"))
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed("%s did not print one JSON document: %.80r" % (what, done.stdout)) from None

    def go(self, *args, toolchain="", cwd=None, env=None):
        """The go command with a toolchain ("" for the machine's own), unpinned: its CompletedProcess.  Missing when
        there is none."""
        go_version(toolchain)
        return self.run([tool("go"), *args], go_env(toolchain, **(env or {})), pin=False, cwd=cwd or self.folder)

    def rounds(self, variants, run_one, decide=None, seconds=None):
        """Repeat all variants in turns until their medians are known.

        variants: {name: args}; run_one(name, args, round) -> {metric: number}.  decide: the metrics whose medians must be
        known (all, if None); seconds: as time_left(), for this call alone.  Result: {name: {metric: [a sample per
        round]}}; its number of rounds is between the level's least and most.
        """
        samples = {name: {} for name in variants}
        deadline = time.monotonic() + (self.time_left() if seconds is None else seconds)
        for number in range(self.limits.most):
            for name, args in variants.items():
                self.say("round %d: %s" % (number + 1, name))
                for metric, value in run_one(name, args, number).items():
                    samples[name].setdefault(metric, []).append(value)
            if number + 1 < self.limits.least:
                continue
            if time.monotonic() >= deadline or all(
                    known(summary(values)) for metrics in samples.values() for metric, values in metrics.items()
                    if (decide is None or metric in decide) and not isinstance(values[0], (str, list, dict))):
                break
        self.repeated.append(number + 1)
        return samples

    # Counting instead of timing

    def callgrind(self, program, *args, toggle=None, env=None):
        """Instructions the program executes; toggle: only within functions of that name (a pattern with *)."""
        return self._counts(program, args, toggle, env, [])["Ir"]

    def cachegrind(self, program, *args, toggle=None, cache=None, env=None):
        """Events of a simulated cache: {"I", "D", "D1m", "LLm"} (instructions, data accesses, misses in the first and
        the last level), as cachegrind simulates it.  The model is CACHE, `cache` changes parts of it."""
        model = dict(CACHE, **(cache or {}))
        got = self._counts(program, args, toggle, env, ["--cache-sim=yes"] + ["--%s=%s" % m for m in model.items()])
        return {"I": got["Ir"], "D": got["Dr"] + got["Dw"], "D1m": got["D1mr"] + got["D1mw"],
                "LLm": got["DLmr"] + got["DLmw"]}

    def _counts(self, program, args, toggle, env, options):
        with tempfile.NamedTemporaryFile(prefix="callgrind") as out:
            wrapper = [tool("valgrind"), "--tool=callgrind", "--callgrind-out-file=" + out.name, *options]
            if toggle:
                wrapper.append("--toggle-collect=" + toggle)
            self.call(program, *args, env=env, wrapper=wrapper)
            names, totals = [], []
            with open(out.name, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if line.startswith("events:"):
                        names = line.split()[1:]
                    elif line.startswith(("totals:", "summary:")):
                        totals = [int(number) for number in line.split()[1:]]
        if not totals or not totals[0]:
            raise Failed("callgrind counted nothing in %s%s" % (program, " within " + toggle if toggle else ""))
        return dict.fromkeys(names, 0) | dict(zip(names, totals))


# Allocators

# Debian packages with an allocator each, to be put in the place of libc's.
ALLOCATOR_PACKAGES = ["libjemalloc2", "libtcmalloc-minimal4", "libmimalloc2.0"]
ALLOCATORS = {"glibc": {}, "jemalloc": {"LD_PRELOAD": "libjemalloc.so.2"},
              "tcmalloc": {"LD_PRELOAD": "libtcmalloc_minimal.so.4"}, "mimalloc": {"LD_PRELOAD": "libmimalloc.so.2"}}


def allocators(lab, *command):
    """Those of ALLOCATORS that are here: the loader goes on without a library it does not find, so a program is
    asked which one it got ("allocator" in what the command prints)."""
    return [name for name, env in ALLOCATORS.items() if lab.call(*command, env=env)["allocator"] == name]
