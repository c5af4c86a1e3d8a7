"""Does swappiness decide how late memory comes back?  Control groups with a limit stand in for a machine with swap."""
import contextlib
import json
import os
import time

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "Does swappiness control the return of memory?"
ANSWERS = ["N33", "K88"]
PROGRAMS = ["reclaim"]
SWAPPINESS = [10, 60, 100]      # as claimed
CLAIMED = 690 / 280             # time at the last, by time at the first
WAYS = {"dontneed": "given back by DONTNEED", "madv-free": "marked by FREE", "file": "page cache"}
SAME, OTHER = 1.5, 2.0          # ratio of times: below the first no effect is seen, above the second there is one


class Group:
    """A control group with a memory limit, inside our own, for the programs of this experiment; gone afterwards."""

    def __init__(self, parent):
        self.path = os.path.join(parent, "gomap-lab-%d" % os.getpid())
        self.procs = os.path.join(self.path, "cgroup.procs")

    def set(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def __enter__(self):
        try:
            os.mkdir(self.path)
        except OSError as why:
            raise kit.Missing("no control group can be made here: %s" % why.strerror) from None
        return self

    def __exit__(self, *_):
        for _ in range(50):  # a killed process takes a moment to leave
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                return
            time.sleep(0.1)
        raise kit.Failed("the control group %s cannot be removed" % self.path)


def find_group():
    """Where a group with limit and swappiness of its own can be made: version 1's memory controller.  Version 2 has only the
    system's swappiness, which is not ours to change."""
    mount = path = None
    with open("/proc/self/mounts", encoding="utf-8") as lines:
        for place, kind, options in (line.split()[1:4] for line in lines):
            mount = place if kind == "cgroup" and "memory" in options.split(",") else mount
    with open("/proc/self/cgroup", encoding="utf-8") as lines:
        for _, controllers, ours in (line.strip().split(":", 2) for line in lines):
            path = ours if "memory" in controllers.split(",") else path
    if not mount or not path:
        raise kit.Missing("no control groups (version 1) in which swappiness could be set")
    return Group(os.path.join(mount, path.lstrip("/")))


def run(lab):
    size = lab.pick(8, 32, 64) << 20
    group = find_group()
    with open("/proc/swaps", encoding="utf-8") as lines:
        swaps = [line.split()[0] for line in list(lines)[1:]]
    scratch = os.path.join(lab.scratch, "file")
    variants = {"%s %d" % (how, s): (how, s) for how in WAYS for s in SWAPPINESS}
    killed = {str(s): [0, 0] for s in SWAPPINESS}
    with group:
        group.set("memory.limit_in_bytes", size + size // 2)

        def one(_, args, number):
            how, swappiness = args
            group.set("memory.swappiness", swappiness)
            got = lab.call("reclaim", how, size, group.procs, scratch)
            got.pop("how")
            return got

        samples = lab.rounds(variants, one, decide={"need_ns"}, seconds=lab.pick(1, 20, 60))
        kept = {}
        for number in range(lab.pick(1, 5, 20)):
            for s in SWAPPINESS:
                group.set("memory.swappiness", s)
                done = lab.run([lab.program("reclaim"), "keep", size, group.procs, scratch])
                killed[str(s)][0] += done.returncode == -9
                killed[str(s)][1] += 1
                if done.returncode == 0:
                    kept.setdefault(str(s), []).append(json.loads(done.stdout)["need_ns"])
                elif done.returncode != -9:
                    raise kit.Failed("reclaim keep: %s" % done.stderr.strip())
    return {"bytes": size, "limit": size + size // 2, "swaps": swaps, "samples": samples, "killed": killed, "kept": kept}


def effect(data, how, metric):
    """Summary of time at the highest swappiness by time at the lowest, within rounds."""
    return kit.ratio(*(data["samples"]["%s %d" % (how, s)][metric] for s in (SWAPPINESS[-1], SWAPPINESS[0])))


def word(ratio):
    """Refuted: no effect of the claimed kind is seen; confirmed: there is one."""
    return kit.REFUTED if ratio.high < SAME else kit.CONFIRMED if ratio.low > OTHER else kit.INCONCLUSIVE


def judge(data):
    explicit = effect(data, "dontneed", "give_ns")
    reclaim = {how: effect(data, how, "need_ns") for how in ("madv-free", "file")}
    words = {word(r) for r in (explicit, *reclaim.values())}
    claimed = "280, 410, 690 \u00b5s at 10, 60, 100"
    measured = "time at 100 by time at 10: %s for DONTNEED, %s to take pages marked by FREE, %s to take page cache (claimed: %.2f)" % (
        kit.said(explicit), *(kit.said(r) for r in reclaim.values()), CLAIMED)
    oom = "killed for want of memory: " + ", ".join("%d of %d at %s" % (*counts, s) for s, counts in data["killed"].items())
    if data["swaps"]:
        first, last = (data["kept"].get(str(s)) for s in (SWAPPINESS[0], SWAPPINESS[-1]))
        swapped = kit.summary(last).median / kit.summary(first).median if first and last else None
        n33 = Verdict("N33", kit.INCONCLUSIVE if swapped is None else kit.REFUTED if swapped < SAME else kit.CONFIRMED
                      if swapped > OTHER else kit.INCONCLUSIVE, claimed,
                      "%s; to swap: %s; %s" % (measured, kit.figure(swapped), oom))
    else:
        n33 = Verdict("N33", kit.NOT_HERE, claimed, "%s; %s" % (measured, oom),
                      "No swap here, and without swap swappiness has nothing to weigh. In its place: a control group with a limit.")
    return [n33, Verdict("K88", words.pop() if len(words) == 1 else kit.INCONCLUSIVE if kit.INCONCLUSIVE in words else kit.DEPENDS,
                         "swappiness decides", measured,
                         "Pages given back by DONTNEED are free when the call returns, whatever the setting. Refuted if all three "
                         "ratios lie below %.1f." % SAME)]


def tables(data):
    rows = []
    for name, samples in data["samples"].items():
        how, swappiness = name.split(" ")
        s = {metric: kit.summary(values) for metric, values in samples.items()}
        rows.append([WAYS[how], swappiness, kit.said(s["give_ns"]) if s["give_ns"].median else "-", kit.said(s["need_ns"]),
                     kit.said(s["need_longest_us"]), "%.1f / %.1f" % (s["lazy_free"].median / 2**20,
                                                                    s["lazy_free_after"].median / 2**20),
                     kit.figure(round(s["reclaimed_pages"].median)), kit.said(s["stalled_us"])])
    yield Table("%d MiB given up, %d MiB needed, in a control group of %d MiB" % (
        data["bytes"] >> 20, data["bytes"] >> 20, data["limit"] >> 20),
        ["the first memory", "swappiness", "giving back, ns a page", "needing again, ns a page", "longest wait for 256 KiB, \u00b5s",
         "LazyFree MiB before / after", "pages taken back", "stalled, \u00b5s (PSI)"], rows,
        "Pages taken back and stalls are counters of the whole system.")
    yield Table("Nothing given back", ["swappiness", "killed", "of"], [[s, *counts] for s, counts in data["killed"].items()],
                "Swap: %s." % (", ".join(data["swaps"]) or "none"))


def plots(data):
    rows = [(what, {"swappiness %d" % s: kit.summary(data["samples"]["%s %d" % (how, s)]["need_ns"])[:3] for s in SWAPPINESS})
            for how, what in WAYS.items()]
    yield Plot("What the next one pays for a page", draw.bars(rows, "ns a page, under the limit"))
