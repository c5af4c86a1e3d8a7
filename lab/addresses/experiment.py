"""Addresses of buckets from an allocation log and from real Go; lifetimes by alignment; what one live bucket keeps."""
import collections
import math
import re
import statistics

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "Are bucket addresses special, and does alignment make them live longer?"
ANSWERS = ["N05", "N07", "N12", "K04"]
PROGRAMS = ["addresses"]
SWISS_GO = kit.NEWEST_GO
GO = {"addresses_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}
LINE, PAGE, CELL, PAGES = 64, 4096, 16, 40  # PAGES: rows of a heat map
EVERY = [1, 2, 8, 56, 500]  # one map in so many is kept; 56 buckets of 144 bytes are a page of Go's
# Functions that pass a request on; the first other name of a stack is who wanted the block.
DOORS = re.compile(r"logged_|gomap__(heap_)?alloc")


def run(lab):
    maps, n = lab.pick(60, 2000, 10000), lab.pick(2000, 50000, 200000)
    data = {"maps": maps, "n": n, "log": None, "go": {}}

    def one(name, args, number):
        log = lab.call("addresses", "log", maps, number + 1)
        if data["log"] is None:
            data["log"] = first_log(lab, log)
        return {"within": ratio_within(log), "crude": ratio_crude(log)}

    data["lifetimes"] = lab.rounds({"log": ()}, one)["log"]
    data["gomap"] = lab.call("addresses", "gomap", lab.pick(140, 1400, 1400))
    data["keep"] = {str(k): lab.call("addresses", "keep", k, n) for k in EVERY}
    for version in (kit.CLASSIC_GO, SWISS_GO):
        program = "addresses_" + version
        if lab.have(program):
            places = lab.call(program, "places", lab.pick(500, 5000, 20000))
            if places["version"] != version:
                raise kit.Failed("asked for %s, got %s" % (version, places["version"]))
            data["go"][version] = {"types": [reduced(t) for t in places["types"]],
                                   "heat": heat_rows(places["types"][1]["single"]),
                                   "keep": {str(k): lab.call(program, "keep", k, n)["heap"] for k in EVERY}}
    return data


# From a log to what is kept of it.  A block is [address, size, birth, death, stack].

def lifetimes(log):
    """{size: {aligned to a line: [logarithm of operations lived]}}; blocks of the final clean-up died of nothing."""
    groups = collections.defaultdict(lambda: {True: [], False: []})
    for at, size, born, died, _ in log["blocks"]:
        if died < log["operations"]:
            groups[size][at % LINE == 0].append(math.log1p(died - born))
    return groups


def ratio_within(log):
    """Lifetime of blocks on a line over that of the others of the same size; sizes weigh by their smaller side."""
    weight = total = 0
    for sides in lifetimes(log).values():
        least = min(map(len, sides.values()))
        if least >= 5:
            total += least * (statistics.fmean(sides[True]) - statistics.fmean(sides[False]))
            weight += least
    return math.exp(total / weight) if weight else 1.0


def ratio_crude(log):
    sides = {True: [], False: []}
    for group in lifetimes(log).values():
        for side, lived in group.items():
            sides[side] += lived
    return math.exp(statistics.fmean(sides[True]) - statistics.fmean(sides[False]))


def first_log(lab, log):
    """What the report shows of the first round."""
    blocks = log["blocks"]
    sizes = [size for size, _ in collections.Counter(b[1] for b in blocks).most_common(10)]
    names = stack_names(lab, log["stacks"])
    quantiles = {}
    for size in sizes:
        for place in range(0, LINE, CELL):
            lived = sorted(b[3] - b[2] for b in blocks if b[1] == size and b[0] % LINE == place)
            if lived:
                quantiles.setdefault(str(size), []).append(
                    [place, len(lived)] + [lived[int(q * (len(lived) - 1))] for q in (0.25, 0.5, 0.75, 1)])
    stacks = {}
    for at, _, _, _, stack in blocks:
        counts = stacks.setdefault(names[stack], [0, 0])
        counts[at % LINE == 0] += 1
    return {"blocks": len(blocks), "operations": log["operations"], "quantiles": quantiles,
            "modulo": histogram([b[0] for b in blocks]), "stacks": stacks, "heat": heat_rows([b[0] for b in blocks])}


def stack_names(lab, stacks):
    """Functions of each stack, innermost first, without the doors to memory; offsets where there is no addr2line."""
    try:
        command = [kit.tool("addr2line"), "-f", "-i", "-e", lab.program("addresses")]
    except kit.Missing:
        return [" < ".join("%#x" % pc for pc in stack) for stack in stacks]
    names = []
    for stack in stacks:
        lines = lab.run(command + ["%#x" % pc for pc in stack], pin=False).stdout.split("\n")
        functions = [f.split(".")[0] for f in lines[::2] if f and f != "??" and not DOORS.match(f)]
        names.append(" < ".join(functions[:functions.index("main")] if "main" in functions else functions))
    return names


def histogram(addresses):
    return {str(k): v for k, v in sorted(collections.Counter(a % LINE for a in addresses).items())}


def heat_rows(addresses):
    """The pages where most buckets began, in order of their addresses: [[page, [[cell, times], ...]], ...]."""
    cells = collections.Counter((a // PAGE, a % PAGE // CELL) for a in addresses)
    pages = collections.Counter()
    for (page, _), times in cells.items():
        pages[page] += times
    rows = []
    for page in sorted(p for p, _ in pages.most_common(PAGES)):
        rows.append([page, sorted([c, times] for (p, c), times in cells.items() if p == page)])
    return rows


def reduced(t):
    """A Go type without its thousands of addresses."""
    everything = t["single"] + t["array"]
    lines = statistics.fmean((a % LINE + t["bytes"] - 1) // LINE + 1 for a in t["single"])
    return {"type": t["type"], "bytes": t["bytes"], "correct": t["correct"], "single": histogram(t["single"]),
            "array": histogram(t["array"]), "lines": lines, "maps": len(everything),
            "low_digits": len({a % 256 for a in everything}),
            "other": sum(a % 256 not in (0x00, 0x08) for a in everything)}


# Verdicts

def judge(data):
    verdicts = [judge_lifetimes(data)]
    go = data["go"].get(kit.CLASSIC_GO)
    if not go:
        return verdicts + kit.not_here(ANSWERS[1:], "a claim about Go's classic map, and Go 1.23 is not here")
    return verdicts + [judge_places(go), judge_page(data, go), judge_alignment(go)]


def judge_lifetimes(data):
    """Confirmed if aligned blocks live at least 1.5 times as long as others of their size, refuted if the interval
    lies within 10 % of equal, depends if there is a smaller effect."""
    within, crude = kit.summary(data["lifetimes"]["within"]), kit.summary(data["lifetimes"]["crude"])
    if within.n < kit.LEVELS["quick"].least:
        verdict = kit.INCONCLUSIVE
    elif within.low >= 1.5:
        verdict = kit.CONFIRMED
    elif within.low > 0.9 and within.high < 1.1:
        verdict = kit.REFUTED
    else:
        verdict = kit.DEPENDS if within.low > 1 or within.high < 1 else kit.INCONCLUSIVE
    sites = [name for name, counts in data["log"]["stacks"].items() if min(counts)]
    return Verdict("N05", verdict, "aligned buckets live longer than 120 s; their allocation sites lie at +16, others at +8..+40",
                   "blocks on a line live x%s as long as others of their size" % kit.said(within),
                   "All sizes together: x%s. %d of %d call stacks allocate both. Go's own profiles hold neither addresses nor "
                   "lifetimes." % (kit.said(crude), len(sites), len(data["log"]["stacks"])))


def judge_places(go):
    """Confirmed if buckets begin at 8 and at 24 modulo 64, refuted if at neither."""
    seen = collections.Counter()
    for t in go["types"]:
        for kind in ("single", "array"):
            for place, times in t[kind].items():
                seen[int(place)] += times
    hits = [place for place in (8, 24) if seen[place]]
    ints = go["types"][1]
    with8 = [t["type"] for t in go["types"] if "8" in t["array"]]
    return Verdict("N07", {0: kit.REFUTED, 1: kit.DEPENDS, 2: kit.CONFIRMED}[len(hits)],
                   "buckets cluster at ...008 and ...018; 0xc0000a2018 is 24 modulo 64",
                   "int to int: single buckets of %d bytes at %s modulo 64, arrays at %s" % (
                       ints["bytes"], shares(ints["single"]), shares(ints["array"])),
                   "24 occurs %d times. 8 occurs %d times: arrays with pointers (%s), behind the allocator's header."
                   % (seen[24], seen[8], ", ".join(with8) or "none"))


def judge_page(data, go):
    """The claim has two halves: the page stays (heap in use hardly falls), and is lost (making the maps anew needs more)."""
    at, n = "56", data["n"]
    kept, full, again = (go["keep"][at][state] for state in ("kept", "full", "again"))
    stays, lost = kept["inuse"] / full["inuse"] > 0.8, again["inuse"] / full["inuse"] > 1.1
    verdict = kit.CONFIRMED if stays and lost else kit.DEPENDS if stays else kit.REFUTED
    c = data["keep"][at]
    return Verdict("N12", verdict, "one live bucket keeps a page of 8 KB",
                   "one map in 56 kept: %.0f %% of the spans stay in use, %.1f %% of the bytes are allocated; made anew, %s maps "
                   "need %.2f times the spans" % (100 * kept["inuse"] / full["inuse"], 100 * kept["alloc"] / full["alloc"],
                                                  kit.figure(n), again["inuse"] / full["inuse"]),
                   "%sC: %.0f %% stay in core after malloc_trim, %.2f times when made anew." % (
                       "The page stays, its other places are free for buckets of that size. " if stays and not lost else "",
                       100 * c["kept"] / c["full"], c["again"] / c["full"]))


def judge_alignment(go):
    maps, other = sum(t["maps"] for t in go["types"]), sum(t["other"] for t in go["types"])
    wrong = [t["type"] for t in go["types"] if not t["correct"]]
    return Verdict("K04", kit.REFUTED if other and not wrong else kit.CONFIRMED,
                   "the bucket pointer must end in 00 or 08, or memory leaks",
                   "%s of %s maps have pointers that end otherwise (%s different endings), %s" % (
                       kit.figure(other), kit.figure(maps), max(t["low_digits"] for t in go["types"]),
                       "every lookup is right" if not wrong else "wrong lookups: " + ", ".join(wrong)),
                   "Every size class of the allocator is a multiple of 8: nothing has to be arranged.")


def shares(modulo):
    total = sum(modulo.values())
    return ", ".join("%s (%.0f %%)" % (place, 100 * times / total) for place, times in modulo.items())


# Tables and pictures

def tables(data):
    log = data["log"]
    rows = [["lib/classic on malloc", "all", "", shares(log["modulo"]), "", "", ""],
            ["gomap: metadata", "uint64 to uint64", "", shares(data["gomap"]["metadata"]), "", "", ""],
            ["gomap: slots", "uint64 to uint64", "", shares(data["gomap"]["slots"]), "", "", ""]]
    for version, go in data["go"].items():
        rows += [[version, t["type"], t["bytes"], shares(t["single"]), shares(t["array"]), "%.2f" % t["lines"],
                  -(-t["bytes"] // LINE)] for t in go["types"]]
    yield Table("Where buckets begin, modulo 64", ["map", "type", "bytes", "single buckets", "arrays", "lines a bucket lies on",
                                                   "least"], rows,
                "From Go 1.24 on: groups. Lines: of single buckets. lib/classic: all blocks, with the 16 bytes the log puts in "
                "front; gomap: maps of 1 to 8192 entries.")
    yield Table("Lifetimes by place, first round (%s blocks, %s operations)" % (kit.figure(log["blocks"]),
                                                                              kit.figure(log["operations"])),
                ["bytes of the block", "modulo 64", "blocks", "25 %", "median", "75 %", "longest"],
                [[size, *row] for size, places in log["quantiles"].items() for row in places],
                "In operations on any of the maps. A block is an array, an overflow bucket or a header, with what the library "
                "adds.")
    yield Table("Who allocates", ["call stack, innermost first", "blocks off a line", "on a line", "on a line, %"],
                [[name, off, on, "%.1f" % (100 * on / (on + off))] for name, (off, on) in
                 sorted(log["stacks"].items(), key=lambda item: -sum(item[1]))])
    yield Table("What one map in k keeps", ["k", "C: in core", "C: allocated", "C: made anew"] + [
        "%s: %s" % (v, what) for v in data["go"] for what in ("spans in use", "allocated", "made anew")],
                [[k] + ["%.1f %%" % (100 * x) for x in kept_shares(data, k)] for k in data["keep"]],
                "Shares of what all %s one-entry maps take." % kit.figure(data["n"]))


def kept_shares(data, k):
    c = data["keep"][k]
    yield from (c["kept"] / c["full"], c["used_kept"] / c["used"], c["again"] / c["full"])
    for go in data["go"].values():
        h = go["keep"][k]
        yield from (h["kept"]["inuse"] / h["full"]["inuse"], h["kept"]["alloc"] / h["full"]["alloc"],
                    h["again"]["inuse"] / h["full"]["inuse"])


def heat(rows):
    matrix = []
    for _, cells in rows:
        line = [None] * (PAGE // CELL)
        for cell, times in cells:
            line[cell] = times
        matrix.append(line)
    return draw.heat(matrix, "16-byte cell of the page", "page", [CELL * i for i in range(PAGE // CELL)],
                     ["%x" % page for page, _ in rows], log=True)


def plots(data):
    yield Plot("Where blocks of classic maps began, on malloc", heat(data["log"]["heat"]),
               "The %d pages with most of them, first round; a row is a page of 4 KiB." % PAGES)
    for version, go in data["go"].items():
        yield Plot("Where single int-to-int buckets began in %s" % version, heat(go["heat"]),
                   "One size class: its places are multiples of its size from the start of a span of 8 KiB.")
    rows = []
    for size, places in list(data["log"]["quantiles"].items())[:6]:
        rows.append(("%s bytes" % size, {"%d modulo 64" % p[0]: (p[3], p[2], p[4]) for p in places if p[1] >= 5}))
    yield Plot("Lifetime by place", draw.bars([r for r in rows if r[1]], "operations: median, with quartiles", log=True),
               "Blocks of one size live as long wherever they lie.")
