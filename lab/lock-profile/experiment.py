"""Do limits on waiting and holding tell a healthy lock from a sick one, and does Go's trace viewer have them?

lockprofile.c holds one lock for a single put or for a merge of 10 000 entries; the profile has the limits of N20, and
others.
"""
import os
import re

import kit
import plots as draw

TITLE = "What do limits of 5 ms, 10 ms and 3 times the mean mark?"
ANSWERS = ["N20"]
PROGRAMS = ["lockprofile"]
LIMITS = {"N20": (5000, 10000, 3), "tighter": (50, 1000, 10)}  # us, us, times the mean
HOLDS = {1: "one put", 10000: "merge of 10 000"}
ALARM_AFTER = 1e6  # ns: a lock held longer than that on the mean is a sick one

# What a limit of 5 or 10 ms would look like in the viewer's source.
LIMIT_IN_SOURCE = re.compile(r"\b(?:5|10)\s*\*\s*(?:time\.)?Millisecond|\b(?:5e6|1e7|10e6|5_?000_?000|10_?000_?000)\b")
VIEWER = ("src/cmd/trace", "src/internal/trace/traceviewer")


def viewer_source(lab):
    """Where the trace viewer of the articles' Go would mark waits: {"files", "lines": those that name such a limit}."""
    version = kit.go_version(kit.CLASSIC_GO)
    root = lab.run(["go", "env", "GOROOT"], env=kit.go_env(kit.CLASSIC_GO)).stdout.strip()
    files, found = 0, []
    for place in VIEWER:
        for folder, _, names in os.walk(os.path.join(root, place)):
            for name in names:
                if not name.endswith(".go") or name.endswith("_test.go") or "testdata" in folder:
                    continue
                files += 1
                with open(os.path.join(folder, name), encoding="utf-8") as source:
                    found += ["%s:%d" % (name, number) for number, line in enumerate(source, 1)
                              if LIMIT_IN_SOURCE.search(line)]
    if not files:
        raise kit.Missing("%s has no source of its trace viewer" % version)
    return {"version": version, "files": files, "lines": found}


def run(lab):
    ops = lab.pick(10000, 400000, 800000)
    chosen = {"%s %d %d %s" % (engine, threads, batch, name): [engine, threads, batch, ops // threads, *limits]
              for engine in ("gomap", "classic") for threads in lab.pick([2], [1, 2, 8], [1, 2, 8])
              for batch in HOLDS for name, limits in LIMITS.items()}
    steps = {}

    def one(name, args, number):
        got = lab.call("lockprofile", *args, number + 1, pin=False)
        for what in ("wait", "hold"):
            kept = steps.setdefault(name, {}).setdefault(what, [0] * len(got[what]["steps"]))
            steps[name][what] = [a + b for a, b in zip(kept, got[what]["steps"])]
        acquired = got["acquired"]
        return {"hold_ns": got["hold"]["mean_ns"], "waited": got["wait"]["count"] / acquired,
                "wait_ns": got["wait"]["mean_ns"], "wait_max_ns": got["wait"]["max_ns"],
                "marked": got["marked"] / acquired, "alarmed": got["alarmed"] / acquired,
                "long": got["long_holds"] / acquired}

    data = {"samples": lab.rounds(chosen, one, decide=["hold_ns"]), "steps": steps, "cores": kit.machine()["cores"]}
    try:
        data["viewer"] = viewer_source(lab)
    except kit.Missing as why:
        data["viewer"] = {"missing": str(why)}
    return data


def cells(data, limits="N20"):
    """[(engine, threads, batch, {metric: Summary})]"""
    return [(engine, int(threads), int(batch), {m: kit.summary(v) for m, v in metrics.items()})
            for name, metrics in data["samples"].items()
            for engine, threads, batch, which in [name.split()] if which == limits]


def judge(data):
    viewer = data["viewer"]
    if "missing" in viewer:
        return kit.not_here("N20", viewer["missing"])
    rows = cells(data)
    healthy = [r for r in rows if r[3]["hold_ns"].median < ALARM_AFTER]
    wrongly = [r for r in healthy if r[3]["marked"].median + r[3]["alarmed"].median > 0]
    long_holds = max((r[3]["long"].median for r in healthy if r[1] == 1), default=0)
    # The claim is about the viewer; what the limits are worth is told beside it.
    verdict = kit.CONFIRMED if viewer["lines"] else kit.REFUTED
    measured = ("%s: %d lines in the viewer's %d source files name 5 or 10 ms. Own profile: these limits mark waits in "
                "%d of %d cells whose holds are below 1 ms on the mean; with one thread up to %.3g %% of the holds "
                "exceed 3 times the mean" % (viewer["version"], len(viewer["lines"]), viewer["files"], len(wrongly),
                                             len(healthy), 100 * long_holds))
    return [kit.Verdict("N20", verdict, "waits of 5 ms marked, of 10 ms red; holds up to 3 times the mean", measured,
                        "Waits that long come from threads stopped while they hold the lock: %d processors."
                        % data["cores"])]


def tables(data):
    result = []
    for limits, (mark, alarm, factor) in LIMITS.items():
        rows = [[engine, "%d%s" % (threads, " (oversubscribed)" if threads > data["cores"] else ""), HOLDS[batch],
                 kit.said(s["hold_ns"]), "%.3g %%" % (100 * s["waited"].median), kit.figure(s["wait_ns"].median),
                 kit.figure(s["wait_max_ns"].median), *("%.3g %%" % (100 * s[m].median) for m in
                                                       ("marked", "alarmed", "long"))]
                for engine, threads, batch, s in cells(data, limits)]
        result.append(kit.Table(
            "Waits from %g ms marked, from %g ms alarmed; holds above %d times the mean"
            % (mark / 1000, alarm / 1000, factor),
            ["map", "threads", "held for", "mean hold, ns", "waited", "mean wait, ns", "longest wait, ns", "marked",
             "alarmed", "long holds"], rows, "Shares are of all acquisitions. Wall time."))
    return result


def plots(data):
    pictures = []
    for what in ("wait", "hold"):
        names = [n for n in data["steps"] if n.endswith(" N20") and sum(data["steps"][n][what])]
        if not names:
            continue
        last = 1 + max(i for n in names for i, count in enumerate(data["steps"][n][what]) if count)
        labels = ["%s %s" % tuple(n.split()[:2]) + (" put" if n.split()[2] == "1" else " merge") for n in names]
        pictures.append(kit.Plot("How long it is %s" % {"wait": "waited for", "hold": "held"}[what], draw.heat(
            [data["steps"][n][what][:last] for n in names], "log2 of ns", "map, threads, held for", None,
            [label.replace("classic", "cl.") for label in labels], log=True)))
    return pictures
