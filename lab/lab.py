#!/usr/bin/env python3
"""lab.py - the driver behind script/lab: finds lab/*/experiment.py, runs them, keeps what they measured, reports.

    lab/NAME/experiment.py --run--> BUILD/lab-results/LEVEL/NAME.json --judge, tables, plots--> lab/report.html
                                                    | --keep
                                                    v
                                             lab/NAME/data.json -------judge, tables, plots--> docs/lab.md

A result is kept with a hash of all that produced it: the experiment, what the experiments share, the library.  A run that was
interrupted finds what it has done already and goes on from there.  Every file is written beside its place and
then renamed, so that what is there is whole.
"""
import argparse
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import articles  # noqa: E402
import kit  # noqa: E402
import report  # noqa: E402

SCHEMA = "gomap-lab/1"
# What every result depends on, with the C sources in lab/.
SHARED = ("lab/kit.py", "lab/gokit", "bench/runner.py", "include", "lib")

# record: the document kept; None when there is none.  error: why there is no (whole) result.
Outcome = namedtuple("Outcome", "experiment record error verdicts tables plots", defaults=[None, "", (), (), ()])


class Experiment:
    """One folder with an experiment.py."""

    def __init__(self, folder):
        self.folder, self.name = folder, os.path.basename(folder)
        spec = importlib.util.spec_from_file_location("lab_" + self.name.replace("-", "_"),
                                                      os.path.join(folder, "experiment.py"))
        self.code = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.code)
        self.title, self.answers = self.code.TITLE, list(self.code.ANSWERS)
        self.go = dict(getattr(self.code, "GO", {}))
        self.packages = list(getattr(self.code, "PACKAGES", []))

    def key(self):
        """Hash of everything its result depends on."""
        digest = hashlib.sha256()
        top = os.path.dirname(os.path.dirname(self.folder))
        beside = sorted(n for n in os.listdir(kit.LAB) if n.endswith((".c", ".h", ".wrap")))
        for place in (self.folder, *(os.path.join(kit.ROOT, shared) for shared in SHARED),
                      *(os.path.join(kit.LAB, name) for name in beside)):
            for path in source_files(place):
                digest.update(os.path.relpath(path, top).encode() + b"\0")
                with open(path, "rb") as source:
                    digest.update(source.read() + b"\0")
        return digest.hexdigest()[:16]

    def kept(self):
        """The committed record, or None."""
        return read_record(os.path.join(self.folder, "data.json"))


def source_files(place):
    if os.path.isfile(place):
        return [place]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names
                  if name not in ("data.json", "README.md") and not name.endswith(".pyc"))


def find(folder=kit.LAB):
    """All experiments, by name."""
    names = sorted(n for n in os.listdir(folder) if os.path.exists(os.path.join(folder, n, "experiment.py")))
    return [Experiment(os.path.join(folder, name)) for name in names]


# Files

def write_whole(path, text):
    """Write a file beside its place and rename it: a reader sees the old one or the new one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def rounded(value):
    """The same data with six digits that count; files stay small and differ only where results do."""
    if isinstance(value, float):
        return float("%.6g" % value)
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return value


def dump(record):
    return json.dumps(record, separators=(",", ":"), sort_keys=False) + "\n"


def read_record(path):
    try:
        with open(path, encoding="utf-8") as source:
            record = json.load(source)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


# Running

class Bar:
    """Progress on the terminal, one line that the next one overwrites; nothing elsewhere."""

    def __init__(self, total):
        self.total, self.done = total, 0

    def say(self, text):
        filled = 20 * self.done // max(self.total, 1)
        kit.runner.progress("[%s%s] %d/%d %s" % ("#" * filled, "." * (20 - filled), self.done, self.total, text))


def build_go(experiment, lab):
    """Build the Go programs of an experiment; lab.missing gets a reason for each that cannot be had."""
    for program, about in experiment.go.items():
        source, toolchain = (about, "") if isinstance(about, str) else about
        folder = os.path.join(experiment.folder, os.path.dirname(source))
        target = os.path.join(lab.build, "lab", experiment.name, program)
        lab.say("building " + program)
        try:
            kit.go_version(toolchain)
            done = subprocess.run(["go", "build", "-o", target, "."], cwd=folder, env=kit.go_env(toolchain),
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600)
        except (kit.Missing, OSError, subprocess.TimeoutExpired) as why:
            lab.missing[program] = str(why)
            continue
        if done.returncode != 0:
            text = done.stderr.strip()
            if "dial tcp" in text or "no such host" in text or "missing go.sum entry" in text:
                lab.missing[program] = "a Go module cannot be had: " + kit.last_line(text)
            else:
                raise kit.Failed("%s does not build: %s" % (program, text))


def measure(experiment, level, build, say):
    """Run one experiment: its record.  Raises kit.Failed, or whatever the experiment does."""
    lab = kit.Lab(experiment.name, level, build, say)
    os.makedirs(os.path.join(build, "lab", experiment.name), exist_ok=True)
    record = {"schema": SCHEMA, "experiment": experiment.name, "level": level, "key": experiment.key(),
              "when": time.strftime("%Y-%m-%d", time.gmtime()), "machine": kit.machine()}
    with tempfile.TemporaryDirectory(prefix="lab-") as lab.scratch:
        try:
            build_go(experiment, lab)
            lab.started = time.monotonic()
            data = experiment.code.run(lab)
            if lab.missing:
                record["not_built"] = lab.missing
        except kit.Missing as why:
            data, record["missing"] = None, str(why)
    if lab.repeated:
        record["rounds"] = [min(lab.repeated), max(lab.repeated)]
    record["seconds"] = round(time.monotonic() - lab.started, 1)
    record["data"] = rounded(data)
    return record


def judge(experiment, record):
    """From a record to verdicts, tables and plots; an Outcome whose error is set if that failed."""
    if record.get("missing"):
        return Outcome(experiment, record, "", kit.not_here(experiment.answers, record["missing"]))
    try:
        verdicts = list(experiment.code.judge(record["data"]))
        check_verdicts(experiment, verdicts)
        return Outcome(experiment, record, "", verdicts, list(experiment.code.tables(record["data"])),
                       list(experiment.code.plots(record["data"])))
    except Exception as why:  # whatever is wrong with one experiment must not hide the others
        return Outcome(experiment, record, "judging failed: " + describe(why))


def check_verdicts(experiment, verdicts):
    given = [v.id for v in verdicts]
    if sorted(given) != sorted(experiment.answers):
        raise kit.Failed("verdicts on %s, though it answers %s" % (" ".join(given), " ".join(experiment.answers)))
    for v in verdicts:
        if v.verdict not in kit.VERDICTS:
            raise kit.Failed("%s: no such verdict: %r" % (v.id, v.verdict))
        if v.verdict == kit.NOT_HERE and not v.note:
            raise kit.Failed("%s: not answered, and no reason given" % v.id)
        if v.verdict != kit.NOT_HERE and not v.measured:
            raise kit.Failed("%s: a verdict without a measured figure" % v.id)


def describe(why):
    """An exception in one line; of one that is not ours, also where."""
    if isinstance(why, kit.Failed):
        return str(why)
    where = traceback.extract_tb(why.__traceback__)[-1]
    return "%s: %s (%s:%d)" % (type(why).__name__, why, os.path.basename(where.filename), where.lineno)


def result_path(build, level, name):
    return os.path.join(build, "lab-results", level, name + ".json")


def run_one(experiment, level, build, fresh, say):
    """The outcome of one experiment: kept from an earlier run of the same sources, or measured now."""
    path = result_path(build, level, experiment.name)
    record = None if fresh else read_record(path)
    if record and record["key"] == experiment.key() and not record.get("missing"):
        return judge(experiment, record), True
    try:
        record = measure(experiment, level, build, say)
    except Exception as why:
        return Outcome(experiment, None, describe(why)), False
    outcome = judge(experiment, record)
    if not outcome.error:
        write_whole(path, dump(record))
    return outcome, False


def run_all(experiments, level, build, fresh):
    """Outcomes of all, one after the other; smoke, where no figure counts, runs as many at a time as there are cores."""
    bar = Bar(len(experiments))

    def run(experiment):
        started = time.monotonic()
        bar.say(experiment.name)
        outcome, old = run_one(experiment, level, build, fresh, lambda text: bar.say("%s: %s" % (experiment.name, text)))
        return outcome, "kept" if old else "%.1f s" % (time.monotonic() - started)

    outcomes = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if level == "smoke" else 1) as pool:
        try:
            for outcome, took in pool.map(run, experiments) if level == "smoke" else map(run, experiments):
                outcomes.append(outcome)
                bar.done += 1
                kit.runner.progress()
                print(line_of(outcome, took), flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return outcomes


def line_of(outcome, took):
    if outcome.error:
        return "%-18s FAILED  %s" % (outcome.experiment.name, outcome.error)
    counts = ["%d %s" % (n, verdict) for verdict in kit.VERDICTS
              if (n := sum(v.verdict == verdict for v in outcome.verdicts))]
    return "%-18s %8s  %s" % (outcome.experiment.name, took, ", ".join(counts))


# Command line

def list_ids(experiments):
    """Every number and claim, and who answers it; 1 if one is left alone."""
    alone = 0
    for entry in articles.ALL:
        who = [e.name for e in experiments if entry.id in e.answers]
        reason = articles.NOT_ANSWERED.get(entry.id, "")
        alone += not who and not reason
        print("%-5s %-24s %s" % (entry.id, ", ".join(who) or ("-" if reason else "NOBODY"), reason or entry.claim))
    for e in experiments:
        for name in e.answers:
            if name not in articles.BY_ID:
                print("%s answers %s, which is no number and no claim" % (e.name, name))
                alone += 1
    return 1 if alone else 0


def outcomes_for_report(experiments, fresh, build):
    """An outcome for every experiment: of this run, else of an earlier full or quick one, else the committed one."""
    done = {o.experiment.name: o for o in fresh}
    for e in experiments:
        if e.name not in done:
            found = [r for level in ("full", "quick") if build and
                     (r := read_record(result_path(build, level, e.name))) and r["key"] == e.key()]
            record = found[0] if found else e.kept()
            done[e.name] = judge(e, record) if record else Outcome(e, None, "not measured")
    return [done[e.name] for e in experiments]


def kept_outcomes(experiments):
    return [judge(e, record) if (record := e.kept()) else Outcome(e, None, "not measured") for e in experiments]


def keep(outcomes):
    """Into the tree: data of what succeeded."""
    for outcome in outcomes:
        if not outcome.error and not outcome.record.get("missing"):
            write_whole(os.path.join(outcome.experiment.folder, "data.json"), dump(outcome.record))


def parse(argv):
    args = argparse.ArgumentParser(prog="lab", description="Puts the numbers and claims of the articles to the test.")
    args.add_argument("--build", required=True, help=argparse.SUPPRESS)
    args.add_argument("names", nargs="*", metavar="NAME", help="experiments (all)")
    how = args.add_mutually_exclusive_group()
    how.add_argument("--full", action="store_true", help="at least 20 repetitions, large sizes")
    how.add_argument("--smoke", action="store_true", help="do they still run? nothing else is touched")
    args.add_argument("--fresh", action="store_true", help="measure also what was measured already")
    args.add_argument("--keep", action="store_true", help="write lab/NAME/data.json and docs/lab.md")
    what = args.add_mutually_exclusive_group()
    what.add_argument("--report", action="store_true", help="reports from the committed data; nothing is measured")
    what.add_argument("--list", action="store_true", help="every number and claim, and who answers it")
    what.add_argument("--packages", action="store_true", help=argparse.SUPPRESS)
    options = args.parse_args(argv)
    if options.keep and options.smoke:
        args.error("--smoke measures nothing that could be kept")
    return options


def choose(experiments, names):
    known = {e.name for e in experiments}
    for name in names:
        if name not in known:
            print("lab: no experiment '%s'; there are: %s" % (name, ", ".join(sorted(known))), file=sys.stderr)
            sys.exit(2)
    return [e for e in experiments if not names or e.name in names]


def main(argv):
    options = parse(argv)
    everything = find()
    chosen = choose(everything, options.names)
    html, markdown = os.path.join(kit.LAB, "report.html"), os.path.join(kit.ROOT, "docs", "lab.md")
    if options.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
        return list_ids(chosen)
    if options.packages:
        print(",".join(sorted({package for e in chosen for package in e.packages})))
        return 0
    if options.report:
        outcomes = kept_outcomes(everything)
        write_whole(html, report.html(outcomes))
        write_whole(markdown, report.markdown(outcomes))
        print("wrote %s and %s" % (html, markdown))
        return 1 if any(o.record and o.error for o in outcomes) else 0
    level = "full" if options.full else "smoke" if options.smoke else "quick"
    started = time.monotonic()
    outcomes = run_all(chosen, level, options.build, options.fresh or options.smoke)
    failed = [o for o in outcomes if o.error]
    if level == "smoke":
        page = os.path.join(options.build, "lab-results", "smoke.html")
        write_whole(page, report.html(outcomes))
    else:
        page = html
        write_whole(page, report.html(outcomes_for_report(everything, outcomes, options.build)))
        if options.keep:
            keep(outcomes)
            write_whole(markdown, report.markdown(kept_outcomes(everything)))
    print("%d of %d experiments ran in %.0f s; report: %s" % (len(outcomes) - len(failed), len(outcomes),
                                                              time.monotonic() - started, page))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        kit.runner.progress()
        sys.exit(130)
