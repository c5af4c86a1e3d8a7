"""Bytes and buckets of bucket arrays in C and in Go, what growth makes of them, and how full buckets get."""
import math

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "How large are bucket arrays, and how full?"
ANSWERS = ["N08", "N14", "N26"]
PROGRAMS = ["array_sizes"]
GO = {"arrays_go": ("go/main.go", kit.CLASSIC_GO)}
INTS = "uint64 to uint64"
LOAD = 6.5


def run(lab):
    data = {"sizes": lab.call("array_sizes", "sizes"), "fill": lab.call("array_sizes", "fill"),
            "grow": lab.call("array_sizes", "grow", lab.pick(20000, 1000000, 1000000)), "go": None}
    if lab.have("arrays_go"):
        data["go"] = lab.call("arrays_go")
        if data["go"]["version"] != kit.CLASSIC_GO:
            raise kit.Failed("asked for %s, got %s" % (kit.CLASSIC_GO, data["go"]["version"]))
    return data


def row(rows, kind, b):
    return next(r for r in rows if r["type"] == kind and r["B"] == b)


def poisson_tail(mean, least):
    return 1 - sum(math.exp(-mean) * mean ** k / math.factorial(k) for k in range(least))


def judge(data):
    return [judge_size(data), judge_fill(data), judge_growth(data)]


def judge_size(data):
    """Exact numbers: confirmed only if they are the claimed ones."""
    claimed = "B=5: 32 buckets of 16 bytes, 512 bytes, span class 21"
    if not data["go"]:
        return kit.not_here("N08", "a claim about Go's allocator, and Go 1.23 is not here", claimed)[0]
    r = row(data["go"]["rows"], INTS, 5)
    equal = sum(all(g[k] == c[k] for k in c) for c, g in zip(data["sizes"], data["go"]["rows"], strict=True))
    span_class = 2 * r["class"] + 1  # the low bit: without pointers
    as_claimed = (r["buckets"], r["bytes"], r["allocated"], span_class) == (32, 16, 512, 21)
    return Verdict("N08", kit.CONFIRMED if as_claimed else kit.REFUTED, claimed,
                   "%d buckets of %d bytes, %s bytes allocated, span class %d" % (r["buckets"], r["bytes"],
                                                                                kit.figure(r["allocated"]), span_class),
                   "%d of them are spare overflow buckets. Array sizes of lib/classic are Go's in %d of %d cases."
                   % (r["buckets"] - 32, equal, len(data["sizes"])))


def judge_fill(data):
    """Confirmed if a map can look like that: 12 keys in a bucket with one overflow bucket, 3 in the next."""
    seen = [data["fill"]["made"]] + ([data["go"]["made"]] if data["go"] else [])
    possible = all(made == [[12, 1], [3, 0]] for made in seen)
    full = data["fill"]["full"]
    share = sum(keys >= 12 for keys, _ in full) / len(full)
    return Verdict("N14", kit.CONFIRMED if possible else kit.REFUTED, "12 keys in bucket 0, 3 in bucket 1",
                   "keys and overflow buckets of the two: %s (%s)" % (", ".join(map(str, seen[0])),
                                                                      "C and Go 1.23" if len(seen) > 1 else "C"),
                   "Nothing is wrong with such a map: just before doubling %.1f %% of %d buckets hold 12 or more; independent "
                   "hashes give %.1f %%." % (100 * share, len(full), 100 * poisson_tail(LOAD, 12)))


def judge_growth(data):
    """Confirmed if an array of about that size (within a third) exists and becomes 1.9 to 2.1 times as large."""
    claimed, steps = 128 << 10, []
    for kind in (INTS, "uint64 to uint8"):
        arrays = [g[2] for g in data["grow"]["classic " + kind]]
        steps += [(a, b) for a, b in zip(arrays, arrays[1:]) if claimed * 2 / 3 <= a <= claimed * 3 / 2]
    doubled = steps and all(1.9 <= b / a <= 2.1 for a, b in steps)
    exact = any(a == claimed for a, _ in steps)
    return Verdict("N26", kit.CONFIRMED if doubled else kit.REFUTED, "a rehash turns 128 KB into 256 KB",
                   "; ".join("%.1f -> %.1f KiB (x%.2f)" % (a / 1024, b / 1024, b / a) for a, b in steps),
                   "%sBuckets of 88 and 144 bytes; both arrays are there until the last old bucket is evacuated." % (
                       "" if exact else "A doubling, though no array has just that size. "))


def tables(data):
    go = data["go"]["rows"] if data["go"] else [None] * len(data["sizes"])
    yield Table("Arrays by B", ["type", "B", "bytes a bucket", "buckets", "of them spare", "bytes", "Go 1.23: buckets",
                                "Go 1.23: allocated"],
                [[c["type"], c["B"], c["bytes"], c["buckets"], c["buckets"] - (1 << c["B"]), c["bytes"] * c["buckets"],
                  g["buckets"] if g else "", g["allocated"] if g else ""] for c, g in zip(data["sizes"], go)],
                "lib/classic; spare: overflow buckets that come with the array from B=4 on.")
    yield Table("Growths on the way to many entries", ["map", "entries", "bytes of the table before", "after", "times"],
                list(growth_rows(data)), "gomap has one table throughout, which grows in place; the classic map has both "
                "arrays until it is done.")


def growth_rows(data):
    for name, steps in data["grow"].items():
        if name.startswith("gomap"):
            pairs = [(entries, before, after) for entries, _, before, after in steps]
        else:
            pairs = [(b[0], a[2], b[2]) for a, b in zip(steps, steps[1:])]
        yield from ([name, entries, before, after, "%.2f" % (after / before)] for entries, before, after in pairs)


def plots(data):
    keys = [k for k, _ in data["fill"]["full"]]
    yield Plot("Keys in each of 1 024 buckets, just before they double",
               draw.heat([keys[i:i + 64] for i in range(0, len(keys), 64)], "bucket, modulo 64", "bucket",
                         y_names=[str(i) for i in range(0, len(keys), 64)]),
               "Uneven as dice are: a good hash does not make buckets alike.")
    counts = [(k, sum(x == k for x in keys)) for k in range(max(keys) + 1)]
    expected = [(k, len(keys) * math.exp(-LOAD) * LOAD ** k / math.factorial(k)) for k, _ in counts]
    yield Plot("How many buckets hold so many keys", draw.line({"counted": counts, "Poisson": expected}, "keys", "buckets"),
               "More than 8 need an overflow bucket.")
