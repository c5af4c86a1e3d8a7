"""What Go gives back to the system, by which call, and what its maps keep and pad."""
import collections
import json
import os
import re

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What does Go give back, and what does a map keep?"
ANSWERS = ["N32", "K82", "K83", "K84"]
PROGRAMS = ["widths"]
NEW_GO = kit.NEWEST_GO
VERSIONS = [kit.CLASSIC_GO, NEW_GO]
GO = {"retain_" + v: ("go/main.go", v) for v in VERSIONS}
SETTINGS = ["", "madvdontneed=0", "madvdontneed=1"]
STAGES = ["full", "emptied", "rebuilt", "dropped"]
GONE, STAYS = 0.9, 0.1  # share of RssAnon: from here on it went, up to here it stayed
CALLS = ["mmap", "munmap", "madvise"]
SYS = r"^runtime\.sys(Alloc|Free|Unused|Reserve|Map|Used|HugePage|NoHugePage|Fault)(OS)?$"


def run(lab):
    here = [v for v in VERSIONS if lab.have("retain_" + v)]
    if not here:
        raise kit.Missing("; ".join(lab.missing.values()))
    n, entries, mib = lab.pick(50000, 1000000, 1000000), lab.pick(10000, 100000, 300000), lab.pick(8, 64, 128)
    data = {"entries": entries, "widths": lab.call("widths", entries)["types"], "go": {}}
    for version in here:
        def call(*args, setting=""):
            lab.say("%s %s %s" % (version, args[0], setting))
            got = lab.call("retain_" + version, *args, env={"GODEBUG": setting}, pin=False)
            if got.pop("version") != version:
                raise kit.Failed("retain runs another version of Go than %s" % version)
            return got

        released = lab.rounds({setting: setting for setting in SETTINGS}, lambda _, setting, number: share_gone(
            call("release", mib, setting=setting)), seconds=lab.pick(1, 4, 20))
        data["go"][version] = {
            "released": released, "maps": {how: call("map", n, how) for how in ("delete", "clear")},
            "scavenge": call("scavenge", mib, lab.pick(300, 4000, 8000)), "padding": call("padding", entries)["types"],
            "calls": system_calls(lab, version), "advice": {s: advice(lab, version, s) for s in SETTINGS}}
    if NEW_GO in here:
        data["split"] = split_groups(lab, entries)
    return data


def share_gone(got):
    full, none = got["full"], got["none"]
    return {"half": 1 - got["half"]["rss_anon"] / full["rss_anon"], "all": 1 - none["rss_anon"] / full["rss_anon"],
            "lazy": none["lazy_free"] / full["anonymous"]}


def system_calls(lab, version):
    """{function: [system calls]} of those in which the runtime gets and returns memory, through what they call of each other."""
    done = lab.go("tool", "objdump", "-s", SYS, lab.program("retain_" + version), toolchain=version)
    called, function = {}, None
    for line in done.stdout.splitlines():
        head, call = re.match(r"TEXT runtime\.(\S+)\(SB\)", line), re.search(r"(?:CALL|JMP) runtime\.(\w+)(?:\.abi0)?\(SB\)", line)
        if head:
            function = head[1]
            called[function] = set()
        elif function and call:
            called[function].add(call[1])
    if "sysAlloc" not in called:
        raise kit.Failed("objdump found no sysAlloc: %s" % kit.last_line(done.stderr))

    def reached(name, seen):
        seen.add(name)
        for callee in called.get(name, ()):
            if callee not in seen:
                reached(callee, seen)
        return seen

    return {name: [c for c in CALLS if c in reached(name, set())] for name in sorted(called)}


def advice(lab, version, setting):
    """{advice: calls} of the madvise calls of a process that gives memory back; None: strace is not here, or not
    allowed."""
    try:
        strace = kit.tool("strace")
    except kit.Missing:
        return None
    trace = os.path.join(lab.scratch, "trace")
    try:
        lab.call("retain_" + version, "release", 8, env={"GODEBUG": setting}, pin=False,
                 wrapper=(strace, "-f", "-qq", "-o", trace, "-e", "trace=madvise"))
    except kit.Failed:  # what strace needs is often forbidden; the program itself has just run without it
        return None
    with open(trace, encoding="utf-8") as lines:
        return dict(collections.Counter(re.findall(r"madvise\([^,]+, \d+, (?:MADV_|0x[0-9a-f]+ /\* MADV_)(\w+)", lines.read())))


def split_groups(lab, entries):
    """The same types with keys and values of a group apart, an experiment of the newest Go; None: it does not build."""
    target = os.path.join(lab.scratch, "retain_split")
    done = lab.go("build", "-o", target, ".", toolchain=NEW_GO, cwd=os.path.join(lab.folder, "go"),
                  env={"GOEXPERIMENT": "mapsplitgroup"})
    if done.returncode:
        return None
    got = lab.run([target, "padding", entries], pin=False)
    if got.returncode:
        raise kit.Failed("retain with split groups: %s" % got.stderr.strip())
    return json.loads(got.stdout)["types"]


# Verdicts

def judge(data):
    version, go = next(iter(data["go"].items()))
    return [judge_drop(data), judge_default(data), judge_alloc(version, go), judge_free(version, go)]


def gone(go, setting):
    """Summary of the share of RssAnon that went when everything was dropped."""
    return kit.summary(go["released"][setting]["all"])


def percent(summary):
    return kit.said(summary, "%", lambda x: "%.1f" % (100 * x + 0.0))


def judge_drop(data):
    """Refuted: it drops without the setting too, in every Go here.  Confirmed: with =1 alone."""
    usual = [gone(go, "") for go in data["go"].values()]
    one = [gone(go, "madvdontneed=1") for go in data["go"].values()]
    verdict = kit.REFUTED if all(s.low >= GONE for s in usual) else \
        kit.CONFIRMED if all(s.high <= STAYS for s in usual) and all(s.low >= GONE for s in one) else kit.DEPENDS
    return Verdict("N32", verdict, "RssAnon drops with =1 only", "; ".join(
        "%s: gone %s" % (version, ", ".join("%s with %s" % (percent(gone(go, s)), s or "no setting") for s in SETTINGS))
        for version, go in data["go"].items()),
        "With =0 the pages stay in RssAnon, marked LazyFree (%s of the heap), until somebody needs them." % percent(
            kit.summary(next(iter(data["go"].values()))["released"]["madvdontneed=0"]["lazy"])))


def judge_default(data):
    """Refuted: without a setting each Go here behaves as with =1; confirmed: as with =0."""
    eager = [gone(go, "").low >= GONE and gone(go, "madvdontneed=1").low >= GONE for go in data["go"].values()]
    lazy = [gone(go, "").high <= STAYS and gone(go, "madvdontneed=0").high <= STAYS for go in data["go"].values()]
    seen = ["%s: %s" % (version, ", ".join("%d %s" % (n, a) for a, n in sorted(go["advice"][""].items())))
            for version, go in data["go"].items() if go["advice"][""]]
    return Verdict("K82", kit.REFUTED if all(eager) else kit.CONFIRMED if all(lazy) else kit.DEPENDS, "MADV_FREE by default",
                   "by default %s of the heap leaves%s" % (
                       ", ".join("%s (%s)" % (percent(gone(go, "")), version) for version, go in data["go"].items()),
                       "; madvise calls: " + "; ".join(seen) if seen else ""),
                   "Go's release notes name 1.12 to 1.15 as the versions with MADV_FREE; those were not run.")


def judge_alloc(version, go):
    """Refuted: no madvise is reached from sysAlloc in the machine code."""
    calls = go["calls"]["sysAlloc"]
    return Verdict("K83", kit.CONFIRMED if "madvise" in calls else kit.REFUTED, "madvise in sysAlloc",
                   "%s: sysAlloc reaches %s, sysReserve %s, sysMap %s" % (
                       version, *(" and ".join(go["calls"][f]) or "none" for f in ("sysAlloc", "sysReserve", "sysMap"))),
                   "What sysMap may ask of madvise is about huge pages, not about returning memory.")


def judge_free(version, go):
    """Refuted: sysFree reaches no madvise; sysUnusedOS does."""
    calls = go["calls"]
    wrong = "madvise" not in calls["sysFree"] and "madvise" in calls.get("sysUnusedOS", calls.get("sysUnused", []))
    return Verdict("K84", kit.REFUTED if wrong else kit.CONFIRMED if "madvise" in calls["sysFree"] else kit.INCONCLUSIVE,
                   "madvise in sysFree", "%s: sysFree reaches %s; sysUnusedOS, which the scavenger calls, %s" % (
                       version, " and ".join(calls["sysFree"]) or "none", " and ".join(calls.get("sysUnusedOS", [])) or "none"))


# Tables and plots

def tables(data):
    rows = [[version, setting or "(none)", *(percent(kit.summary(s[m])) for m in ("half", "all", "lazy")),
             ", ".join("%d %s" % (n, a) for a, n in sorted((go["advice"][setting] or {}).items())) or "-"]
            for version, go in data["go"].items() for setting, s in go["released"].items()]
    yield Table("A heap dropped, and debug.FreeOSMemory", ["Go", "GODEBUG", "RssAnon gone, half dropped", "all dropped",
                                                           "LazyFree", "madvise calls"], rows)
    rows = [[version, m["how"], *("%.1f / %.1f" % (m[s]["heap_alloc"] / 2**20, m[s]["anonymous"] / 2**20) for s in STAGES)]
            for version, go in data["go"].items() for m in go["maps"].values()]
    some = next(iter(data["go"].values()))["maps"]["delete"]
    yield Table("A map[uint64]uint64 of %s entries: HeapAlloc / resident, MiB" % kit.figure(some["entries"]),
                ["Go", "emptied by", "full", "99 % deleted, or cleared", "rebuilt from what is left", "dropped"], rows,
                "After a collection and debug.FreeOSMemory each. A Go map never gives its buckets back; only a new map does.")
    yield padding_table(data)
    rows = [[version, name, " ".join(calls) or "none"] for version, go in data["go"].items() for name, calls in go["calls"].items()]
    yield Table("System calls reached in the machine code", ["Go", "function of the runtime", "calls"], rows)


def padding_table(data):
    """Bytes an entry, and the share of a bucket or group that is neither key, value nor control byte."""
    columns = ["type", "a key and a value"]
    variants = [(version, go["padding"]) for version, go in data["go"].items()]
    if data.get("split"):
        variants.append((NEW_GO + " mapsplitgroup", data["split"]))
    for name, _ in variants:
        columns += [name + ": 8 slots", "padding", "an entry"]
    columns += ["lib/classic: 8 slots", "an entry", "gomap: an entry"]
    rows = []
    for kind, width in data["widths"].items():
        row = [kind, width["payload_bytes"]]
        for name, types in variants:
            t = types[kind]
            own = t["unit_bytes"] - 8 - (8 if name == kit.CLASSIC_GO else 0) - 8 * t["payload_bytes"]
            row += [t["unit_bytes"], "%d (%.0f %%)" % (own, 100 * own / t["unit_bytes"]), "%.1f" % t["per_entry"]]
        rows.append(row + [width["unit_bytes"], "%.1f" % width["classic"], "%.1f" % width["gomap"]])
    return Table("Bytes of maps made for %s entries" % kit.figure(data["entries"]), columns, rows,
                 "8 slots: a bucket (8 tophash bytes, keys, values, overflow pointer) or a group (8 control bytes, slots). An entry: "
                 "HeapAlloc gained by the entries, which counts empty slots too.")


def plots(data):
    lines = {version: [(ms / 1000, 100 * resident / go["scavenge"]["full"]["anonymous"]) for ms, resident, _ in
                       go["scavenge"]["curve"]] for version, go in data["go"].items()}
    yield Plot("What the background scavenger returns by itself", draw.line(lines, "seconds after the heap was dropped",
                                                                           "% of the memory still resident"),
               "Three collections right after the drop; it uses about 1 % of a processor. debug.FreeOSMemory does it at once.")
    kinds = ["map[uint64]bool", "map[uint64]struct{}", "map[string]struct{}", "map[uint32]bool", "map[uint64]uint64"]
    rows = []
    for kind in kinds:
        values = {version: go["padding"][kind]["per_entry"] for version, go in data["go"].items()}
        if data.get("split"):
            values[NEW_GO + " mapsplitgroup"] = data["split"][kind]["per_entry"]
        rows.append((kind, values | {"gomap": data["widths"][kind]["gomap"]}))
    yield Plot("Bytes an entry", draw.bars(rows, "bytes"))
