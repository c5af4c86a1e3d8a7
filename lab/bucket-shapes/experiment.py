"""The order of a bucket's parts, padding to a line, and where an array starts: time, bytes, cache lines."""
import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "How much does the place of a bucket's parts matter?"
ANSWERS = ["K14"]
PROGRAMS = ["shapes", "placed"]
SHAPES = {"first": "tophash first (Go)", "last": "tophash last", "slots": "key and elem side by side",
          "line": "first, padded to lines"}
ELEMS = [1, 8, 40]
BASES = [0, 16, 32, 48]  # where real arrays and single buckets start, modulo 64
MISPLACED = 4  # where none starts: the control
METRICS = {"hit_ns": "hit, ns", "miss_ns": "miss, ns", "sweep_ns": "sweep, ns an entry", "bytes": "bytes an entry",
           "lines": "lines a hit reads", "crossing": "reads on two lines"}


def run(lab):
    sizes = lab.pick([1000], [1000, 300000], [1000, 300000, 1000000])
    lookups = lab.pick(2000, 200000, 300000)
    variants = {"%s, elem %d, n %d" % (shape, elem, n): (shape, elem, 0, n)
                for n in sizes for elem in ELEMS for shape in SHAPES}
    variants.update({"base %d, n %d" % (base, n): ("first", 8, base, n) for n in sizes for base in BASES + [MISPLACED]})
    variants = {name: ("shapes", *args) for name, args in variants.items()}
    variants.update({"classic at %d, n %d" % (base, n): ("placed", base, n) for n in sizes for base in BASES})
    samples = lab.rounds(variants, lambda name, args, number: lab.call(*args, lookups, number + 1), decide={"hit_ns"})
    return {"sizes": sizes, "lookups": lookups, "samples": samples}


def judge(data):
    """Refuted: not one read lies on two lines at any place a bucket has, while the control has some."""
    samples, largest = data["samples"], data["sizes"][-1]
    crossing = sum(sum(samples["base %d, n %d" % (b, n)]["crossing"]) for b in BASES for n in data["sizes"])
    control = sum(samples["base %d, n %d" % (MISPLACED, n)]["crossing"][0] for n in data["sizes"])
    if not control:
        verdict = kit.INCONCLUSIVE
    else:
        verdict = kit.CONFIRMED if crossing else kit.REFUTED
    aligned = samples["classic at 0, n %d" % largest]
    times = ["%d: x%s" % (b, kit.said(kit.ratio(samples["classic at %d, n %d" % (b, largest)]["hit_ns"], aligned["hit_ns"])))
             for b in BASES[1:]]
    lines = ["%.2f" % kit.summary(samples["base %d, n %d" % (b, largest)]["lines"]).median for b in BASES]
    return [Verdict("K14", verdict, "a bucket that starts off a line risks misaligned accesses",
                    "%d misaligned reads of words at %s modulo 64 (control at %d: %d)" % (
                        crossing, ", ".join(map(str, BASES)), MISPLACED, control),
                    "Time of a hit in the classic map beside one whose array is on a line, %s entries: %s. Lines a hit reads: %s." % (
                        kit.figure(largest), ", ".join(times), ", ".join(lines)))]


def tables(data):
    for n in data["sizes"]:
        rows = [[label(name)] + [kit.said(kit.summary(metrics[m])) if m in metrics else "" for m in METRICS]
                for name, metrics in data["samples"].items() if name.endswith(", n %d" % n)]
        yield Table("%s entries" % kit.figure(n), ["bucket", *METRICS.values()], rows,
                    "Keys of 8 bytes; elems of 8 where nothing else is said. Hits depend on each other, misses do not. Padding to "
                    "lines buys fewer lines with more bytes: where the table no longer fits a cache, both count.")


def label(name):
    """`last, elem 8, n 1000` in words."""
    what = name.rpartition(", n ")[0]
    shape, elem, size = what.partition(", elem ")
    if elem:
        return "%s, elems of %s" % (SHAPES[shape], size)
    return what.replace("base", "tophash first, array at").replace("classic", "lib/classic, array")


def plots(data):
    largest = data["sizes"][-1]
    for metric in ("lines", "hit_ns"):
        rows = []
        for elem in ELEMS:
            values = {}
            for shape, label in SHAPES.items():
                found = kit.summary(data["samples"]["%s, elem %d, n %d" % (shape, elem, largest)][metric])
                values[label] = (found.median, found.low, found.high)
            rows.append(("elem of %d" % elem, values))
        yield Plot("%s, %s entries" % (METRICS[metric], kit.figure(largest)), draw.bars(rows, METRICS[metric]))
