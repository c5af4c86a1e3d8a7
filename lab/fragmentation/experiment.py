"""How much more memory than its data a map under steady replacement holds, by allocator."""
import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "Does churn fragment memory?"
ANSWERS = ["N13"]
PROGRAMS = ["churn", "threshold"]
PACKAGES = kit.ALLOCATOR_PACKAGES
STORES, KINDS = ["gomap", "classic", "chained"], ["steady", "changing"]
RATIO, RATE = 2.3, 100000  # claimed: resident / in use beyond this, at so many operations a second


def run(lab):
    entries, operations = lab.pick(500, 20000, 50000), lab.pick(2000, 300000, 600000)
    found = kit.allocators(lab, "threshold")[:lab.pick(2, 4, 4)]
    variants = {"%s %s %s" % (store, allocator, kind): (store, allocator, kind)
                for kind in KINDS for store in STORES for allocator in found}
    curves = {}

    def one(name, args, number):
        store, allocator, kind = args
        got = lab.call("churn", store, entries, operations, number + 1, kind, env=kit.ALLOCATORS[allocator])
        if got["allocator"] != allocator:
            raise kit.Failed("churn ran with %s instead of %s" % (got["allocator"], allocator))
        if name not in curves:
            curves[name] = [[done, round(resident / payload, 3)] for done, resident, _, payload in got["samples"]]
        settled = got["samples"][1:]
        erased, purged = got["erased"], got["purged"]
        return {"start": got["samples"][0][1] / got["samples"][0][2], "most": max(r / used for _, r, used, _ in settled),
                "end": settled[-1][1] / settled[-1][2], "payload": settled[-1][1] / settled[-1][3],
                "erased": erased[1] / erased[2], "purged": purged[1] / purged[2],
                "erased_payload": erased[1] / erased[3], "purged_payload": purged[1] / purged[3],
                "per_second": got["per_second"]}

    samples = lab.rounds(variants, one, decide={"most", "end"}, seconds=lab.pick(1, 25, 100))
    return {"entries": entries, "operations": operations, "samples": samples, "curves": curves,
            "thresholds": {name: lab.call("threshold", env=kit.ALLOCATORS[name])["sizes"] for name in found}}


def judge(data):
    """Per map, allocator and kind of churn: is the worst ratio beyond the claimed one?  Confirmed if it always is, refuted
    if it never is.  Inconclusive where an interval crosses the bound everywhere or the rate was not reached."""
    most = {name: kit.summary(s["most"]) for name, s in data["samples"].items()}
    beyond = [name for name, s in most.items() if kit.above(s, RATIO)]
    within = [name for name, s in most.items() if kit.below(s, RATIO)]
    slow = min(kit.summary(s["per_second"]).median for s in data["samples"].values())
    verdict = kit.DEPENDS if beyond and within else kit.CONFIRMED if beyond else kit.REFUTED
    if not beyond and not within or slow < RATE:
        verdict = kit.INCONCLUSIVE
    ends = {kind: [most[n].median for n in most if n.endswith(kind)] for kind in KINDS}
    shares = [1 - 1 / max(r) for r in ends.values()]
    maps_from = ", ".join("%s %s" % (name, size_text(first_returned(sizes, 1))) for name, sizes in data["thresholds"].items())
    return [Verdict("N13", verdict, "ratio above 2.3, 38 % of the arena; above 1 MB mmap",
                    "worst resident / in use %.2f to %.2f while key sizes stay alike, %.2f to %.2f when they change (that "
                    "is up to %.0f and %.0f %% of what is resident); at least %s operations a second. Freed at once: %s"
                    % (min(ends["steady"]), max(ends["steady"]), min(ends["changing"]), max(ends["changing"]),
                       100 * shares[0], 100 * shares[1], kit.figure(round(slow)), maps_from),
                    "Own maps under churn; the claim is of another program. What fragments is a change of sizes, not the rate. "
                    "2.3 and 38 % exclude each other: a ratio of 2.3 leaves 57 % of the memory unused.")]


def first_returned(sizes, turn):
    """Least size from which on each free gave at least 90 % back at once; None: no size.  turn: 1 or 2."""
    least = None
    for row in reversed(sizes):
        if row[turn] < 0.9:
            break
        least = row[0]
    return least


def size_text(size):
    if size is None:
        return "never"
    return "from %d KiB" % (size >> 10) if size < 1 << 20 else "from %d MiB" % (size >> 20)


def tables(data):
    columns = ["map", "allocator", "at the start", "worst", "at the end", "9 of 10 erased", "allocator purged",
               "resident per byte of data, end", "9 of 10 erased", "purged", "million operations a second"]
    for kind in KINDS:
        rows = []
        for name, samples in data["samples"].items():
            store, allocator, its = name.split(" ")
            if its == kind:
                s = {metric: kit.summary(values) for metric, values in samples.items()}
                rows.append([store, allocator, *(kit.said(s[m], digits=lambda x: "%.2f" % x) for m in (
                    "start", "most", "end", "erased", "purged", "payload", "erased_payload", "purged_payload")),
                    "%.2f" % (s["per_second"].median / 1e6)])
        yield Table("Resident / in use, sizes %s (%s entries, %s operations)" % (
            kind, kit.figure(data["entries"]), kit.figure(data["operations"])), columns, rows,
            "In use: what the map asked for and has not given back. Data: keys and values alone.")
    rows = [[name, size_text(first_returned(sizes, 1)), size_text(first_returned(sizes, 2))]
            for name, sizes in data["thresholds"].items()]
    yield Table("Blocks that leave the process when they are freed", ["allocator", "first time", "the same size again"], rows,
                "glibc raises its threshold when a mapped block is freed: the next one comes from the heap and stays.")


def plots(data):
    for kind in KINDS:
        for allocator in ("glibc", "jemalloc"):
            lines = {name.split(" ")[0]: points for name, points in data["curves"].items()
                     if name.split(" ")[1:] == [allocator, kind]}
            if lines:
                yield Plot("Memory per byte of data, sizes %s, %s" % (kind, allocator),
                           draw.line(lines, "operations", "resident bytes per byte of data"))
