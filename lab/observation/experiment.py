"""What it costs to watch a map: hooks inside, probes from outside, samples in between."""
import json
import re
import shutil

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What does it cost to watch a map?"
ANSWERS = ["N15", "N16"]
PROGRAMS = ["observation"]
PACKAGES = ["bpftrace"]
CLAIMED_NS = 30
HOOKS = ["empty", "count", "backtrace"]
OWN = {"PROBE": "1"}


def run(lab):
    n, many, few = lab.pick(20000, 300000, 500000), lab.pick(20000, 200000, 300000), lab.pick(500, 5000, 10000)
    variants = {"hook %s %s" % (where, how): ("hook", where, how, few * 4 if how == "backtrace" else n)
                for where in ("classic", "pointer") for how in ["off", *HOOKS]}
    variants.update({"signal " + how: ("signal", how, few) for how in HOOKS})
    variants.update({"probe": ("probe", few), "allocs bare": ("allocs", many), "allocs probed": ("allocs", many)})
    variants.update({"sample %d Hz" % hz: ("sample", hz, many) for hz in (0, 100, 1000)})

    def one(name, args, number):
        seed = [] if args[0] in ("signal", "probe") else [number + 1]
        got = lab.call("observation", *args, *seed, env=OWN if name in ("probe", "allocs probed") else None)
        return {"refused": got["why"]} if "why" in got else got

    return {"puts": n, "fill": many, "samples": lab.rounds(variants, one, decide={"ns"}),
            "bpftrace": traced(lab, many, few)}


def traced(lab, many, few):
    """bpftrace on the same functions: {"stacks": [counts], "called", "ns"} for each, or why not."""
    if not shutil.which("bpftrace"):
        return {"why": "bpftrace is not installed"}
    found, program = {}, lab.program("observation")
    for function, args in (("bucket_alloc", "allocs %d 1" % many), ("probe_target", "probe %d" % few)):
        done = lab.run(["bpftrace", "-e", "uprobe:%s:%s { @[ustack] = count(); }" % (program, function), "-c",
                        "%s %s" % (program, args)])
        said = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
        stacks = [int(count) for count in re.findall(r"^\]: (\d+)$", done.stdout, re.MULTILINE)]
        if not said or not stacks:
            return {"why": kit.last_line(done.stderr)}
        found[function] = dict(json.loads(said[0]), stacks=sorted(stacks, reverse=True))
    return found


def cost(data, where, how):
    """Summary of what the hook adds to an overwrite, by round, in ns."""
    samples = data["samples"]
    return kit.summary([a - b for a, b in zip(samples["hook %s %s" % (where, how)]["ns"],
                                              samples["hook %s off" % where]["ns"])])


def judge(data):
    return [hooks(data), probes(data)]


def hooks(data):
    """A cost is as claimed within a factor of two.  Confirmed: all are; refuted: all lie below that, or all above;
    depends: they lie on different sides; inconclusive: an interval reaches over a border and decides it."""
    costs = {(where, how): cost(data, where, how) for where in ("classic", "pointer") for how in HOOKS}
    sides = [-1 if c.high < CLAIMED_NS / 2 else 1 if c.low > CLAIMED_NS * 2 else
             0 if c.low >= CLAIMED_NS / 2 and c.high <= CLAIMED_NS * 2 else None for c in costs.values()]
    certain = {side for side in sides if side is not None}
    verdict = kit.DEPENDS if len(certain) > 1 else kit.INCONCLUSIVE if None in sides else \
        kit.CONFIRMED if certain == {0} else kit.REFUTED
    return Verdict("N15", verdict, "about 30 ns a call",
                   "; ".join("%s: %s" % (where, ", ".join("%s %s" % (how, kit.said(costs[where, how], "ns"))
                                                          for how in HOOKS)) for where in ("classic", "pointer")),
                   "Time added to an overwrite. classic: its own hook; pointer: a function pointer in front of gomap. Go's "
                   "map has no hook, and the article's way to make one does not link (K98).")


def probes(data):
    """Confirmed: every probe counted exactly what the program counted; refuted: one did not."""
    samples, traced_by = data["samples"], data["bpftrace"]
    if "refused" in samples["probe"] and "why" in traced_by:
        return kit.not_here("N16", "no uprobes: %s; %s" % (samples["probe"]["refused"][0], traced_by["why"]))[0]
    pairs = [pair for name in ("probe", "allocs probed") if "counted" in samples[name]
             for pair in zip(samples[name]["called"], samples[name]["counted"])]
    said = ["%d runs through perf_event_open, %d exact" % (len(pairs), sum(a == b for a, b in pairs))]
    if "why" in traced_by:
        said.append("bpftrace: " + traced_by["why"])
    else:
        got = traced_by["bucket_alloc"]
        pairs.append((got["called"], sum(got["stacks"])))
        said.append("bpftrace: %d calls in %d stacks, the program counted %d" % (
            sum(got["stacks"]), len(got["stacks"]), got["called"]))
    notes = ["The article's two counts are an illustration; tested is whether such counts can be trusted."]
    if "without" in samples["probe"]:
        hit = kit.summary([a - b for a, b in zip(samples["probe"]["ns"], samples["probe"]["without"])])
        notes.append("A hit costs %s." % kit.said(hit, "ns"))
    return Verdict("N16", kit.CONFIRMED if all(a == b for a, b in pairs) else kit.REFUTED,
                   "a probe counts bucket allocations by stack: 142 and 89", "; ".join(said), " ".join(notes))


def tables(data):
    samples = data["samples"]
    yield Table("Hooks: an overwrite, ns", ["", "off", *HOOKS, "spread of off"],
                [[where] + [kit.said(kit.summary(samples["hook %s %s" % (where, how)]["ns"])) for how in ["off", *HOOKS]] +
                 ["%.0f %%" % (100 * kit.summary(samples["hook %s off" % where]["ns"]).spread)]
                 for where in ("classic", "pointer")], "1000 entries; classic: keys are strings of 16 bytes.")
    rows = [["a SIGPROF, handler: " + how, kit.said(kit.summary(samples["signal " + how]["ns"]), "ns")] for how in HOOKS]
    if "without" in samples["probe"]:
        rows.append(["a call of an empty function", kit.said(kit.summary(samples["probe"]["without"]), "ns")])
        rows.append(["the same with a uprobe that counts", kit.said(kit.summary(samples["probe"]["ns"]), "ns")])
    traced_by = data["bpftrace"]
    if "why" not in traced_by:
        rows.append(["the same with bpftrace counting by stack",
                     kit.figure(float(traced_by["probe_target"]["ns"])) + " ns"])
    share = 100 * 100 * kit.summary(samples["signal backtrace"]["ns"]).median / 1e9
    yield Table("From outside: one event", ["", "cost"], rows,
                "A profile of 100 samples a second so takes %.2g %% of a processor." % share)
    yield Table("Filling a classic map with %s entries, ns an entry" % kit.figure(data["fill"]), ["", "ns", "events"],
                [[name, kit.said(kit.summary(samples[name]["ns"])),
                  kit.figure(float(kit.summary(samples[name].get("samples") or samples[name]["called"]).median))]
                 for name in ("allocs bare", "allocs probed", "sample 0 Hz", "sample 100 Hz", "sample 1000 Hz")
                 if "ns" in samples[name]],
                "allocs: events are allocations of bucket arrays and overflow buckets; sample: SIGPROF with a backtrace.")


def plots(data):
    rows = [("%s, %s" % (where, how), {"ns": tuple(cost(data, where, how)[:3])})
            for where in ("classic", "pointer") for how in HOOKS]
    rows += [("signal, " + how, {"ns": tuple(kit.summary(data["samples"]["signal " + how]["ns"])[:3])}) for how in HOOKS]
    if "without" in data["samples"]["probe"]:
        rows.append(("uprobe", {"ns": tuple(kit.summary(data["samples"]["probe"]["ns"])[:3])}))
    rows = [(label, {"ns": tuple(max(x, 0.1) for x in values["ns"])}) for label, values in rows]
    yield Plot("What one observation costs", draw.bars(rows, "ns", log=True),
               "Logarithmic; below 0.1 ns is drawn as 0.1.")
