"""One lock, 16 shards, or a map without locks for readers: what does it gain when several threads merge?

The schemes of contention.c on gomap and the classic map, those of go/main.go on Go's map and sync.Map.  Wall time; more
threads than processors are oversubscription, and the tables say so.
"""
import kit
import plots as draw

TITLE = "One lock, 16 shards or sync.Map?"
ANSWERS = ["N24"]
PROGRAMS = ["contention"]
NEW_GO = kit.NEWEST_GO
GO = {"contention_go": ("go/main.go", kit.CLASSIC_GO), "contention_go_newest": ("go/main.go", NEW_GO)}
LABELS = {"contention_go": "go", "contention_go_newest": "go-newest"}
SCHEMES = ["one", "rw", "16", "64", "address", "mostly"]
GO_SCHEMES = ["one", "rw", "16", "64", "sync", "sync16", "address"]
MIXES = {0: "merge", 90: "90 % lookups"}
CLAIMED_SPEED, CLAIMED_WAIT = 28900 / 12400, 327 / 1842


def keys_of(lab):
    return lab.pick(1000, 50000, 100000)


def variants(lab):
    """{`label scheme threads reads`: (program, arguments before the seed)}"""
    chosen = {}
    threads = lab.pick([2], [1, 2, 8], [1, 2, 8])
    ops, keys = lab.pick(2000, 200000, 300000), keys_of(lab)
    for count in threads:
        for reads in MIXES:
            for engine in ("gomap", "classic"):
                for scheme in SCHEMES:
                    chosen["%s %s %d %d" % (engine, scheme, count, reads)] = (
                        "contention", [engine, scheme, count, reads, keys, ops // count])
            for program, label in LABELS.items():
                for scheme in GO_SCHEMES if lab.have(program) else []:
                    chosen["%s %s %d %d" % (label, scheme, count, reads)] = (
                        program, [scheme, count, reads, keys, ops // count])
    return chosen


def run(lab):
    versions = {}

    def one(name, args, number):
        program, arguments = args
        got = lab.call(program, *arguments, number + 1, pin=False)
        if "version" in got:
            versions[LABELS[program]] = got["version"]
        return {"per_op": got["per_op"], "wait_per_op": got["wait_ns"] / got["ops"], "absent": got["absent"],
                "shards_used": got["shards_used"], "entries": got["entries"]}

    chosen = variants(lab)
    return {"cores": kit.machine()["cores"], "keys": keys_of(lab), "versions": versions,
            "samples": lab.rounds(chosen, one, decide=["per_op"])}


# Verdict

def speedups(data, label, scheme):
    """[(threads, reads, speed by one lock's, waiting by one lock's or None)] where several threads run."""
    cells = []
    for name, mine in data["samples"].items():
        who, how, threads, reads = name.split()
        if who == label and how == scheme and int(threads) > 1:
            one = data["samples"][" ".join((who, "one", threads, reads))]
            waits = kit.summary(mine["wait_per_op"]).median, kit.summary(one["wait_per_op"]).median
            cells.append((int(threads), int(reads), kit.ratio(one["per_op"], mine["per_op"]),
                          waits[0] / waits[1] if waits[1] else None))
    return cells


def judge(data):
    labels = [label for label in LABELS.values() if label in data["versions"]]
    if not labels:
        return kit.not_here("N24", "no Go toolchain")
    cells = [(label, *cell) for label in labels for cell in speedups(data, label, "sync16")]
    speeds = [cell[3] for cell in cells]
    half = 1 + (CLAIMED_SPEED - 1) / 2  # at least half of the gain counts as the claim
    if speeds[0].n < kit.LEVELS["quick"].least:
        verdict = kit.INCONCLUSIVE
    elif all(kit.above(s, half) for s in speeds):
        verdict = kit.CONFIRMED
    elif all(kit.below(s, half) for s in speeds):
        verdict = kit.REFUTED
    elif any(kit.above(s, half) for s in speeds) and any(kit.below(s, half) for s in speeds):
        verdict = kit.DEPENDS
    else:
        verdict = kit.INCONCLUSIVE
    low, high = min(cells, key=lambda c: c[3].median), max(cells, key=lambda c: c[3].median)
    lost = max((kit.summary(m["absent"]).median for name, m in data["samples"].items()
                if name.split()[1] == "address" and name.split()[0] in labels), default=0)
    waits = [cell[4] for cell in cells if cell[4] is not None]
    described = ["%s with %d goroutines, %s: %s" % (data["versions"][c[0]], c[1], MIXES[c[2]], kit.said(c[3]))
                 for c in (low, high)]
    return [kit.Verdict(
        "N24", verdict, "2.33 times as fast, 0.18 times the waiting",
        "16 sync.Maps by one locked map, speed: least %s, most %s; waiting: %s to %s times; with the articles' shard "
        "function up to %s lookups of keys that were put find nothing"
        % (*described, kit.figure(min(waits, default=0.0)), kit.figure(max(waits, default=0.0)), kit.figure(int(lost))),
        "Wall time on %d processors; more goroutines than that are oversubscription." % data["cores"])]


# Tables and pictures

def tables(data):
    result = []
    for reads, title in MIXES.items():
        rows = []
        for name, samples in data["samples"].items():
            label, scheme, threads, share = name.split()
            if int(share) != reads:
                continue
            per_op, wait = kit.summary(samples["per_op"]), kit.summary(samples["wait_per_op"])
            rows.append([label, scheme, threads + (" (oversubscribed)" if int(threads) > data["cores"] else ""),
                         kit.said(per_op), "%.0f %%" % (100 * per_op.spread), kit.figure(wait.median),
                         kit.figure(int(kit.summary(samples["shards_used"]).median)),
                         kit.figure(int(kit.summary(samples["absent"]).median))])
        result.append(kit.Table(
            title, ["map", "scheme", "threads", "ns an operation", "spread", "waited, ns an operation", "maps used",
                    "lookups lost"], rows,
            "Wall time by operations of all threads; waiting is the sum over threads. "
            + ("Puts into a map that is empty at first, keys drawn from %s." if reads == 0 else
               "%s keys that are there.") % kit.figure(data["keys"])))
    return result


def plots(data):
    pictures = []
    counts = sorted({int(name.split()[2]) for name in data["samples"]})
    threads = 2 if 2 in counts else counts[-1]
    for reads, title in MIXES.items():
        rows = {}
        for name, samples in data["samples"].items():
            label, scheme, count, share = name.split()
            if int(share) == reads and int(count) == threads:
                rows.setdefault(label, {})[scheme] = kit.summary(samples["per_op"])[:3]
        pictures.append(kit.Plot("%s, %d threads" % (title, threads),
                                 draw.bars(list(rows.items()), "ns an operation, wall time", log=True)))
    return pictures
