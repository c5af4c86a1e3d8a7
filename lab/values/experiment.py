"""What a value costs a map by its size and by where it lies; what a write allocates; what an assignment copies."""
import re

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What do struct values cost: inline, out of line, behind a pointer?"
ANSWERS = ["N34", "N35", "N37", "K89", "K91"]
PROGRAMS = ["values", "copied"]
SWISS_GO = kit.NEWEST_GO
VERSIONS = (kit.CLASSIC_GO, SWISS_GO)
GO = {"values_" + v: ("go/main.go", v) for v in VERSIONS}
SIZES = [8, 24, 64, 128, 136, 256, 512]
COPIES = [8, 16, 24, 32, 48, 64, 96, 128, 256, 512]
PLACES = ["typed", "inline", "stable", "classic", "pointer", "pool"]
TYPED_MAX = 128  # bytes: typed.h refuses larger values
PATHS = {0: "generic", 2: "fast64"}  # GOMAP_CLASSIC_PATH_*
NO_GO = "a claim about Go's compiler and classic map, and Go 1.23 is not here"
FREE = 0.01  # allocations an operation: less is none, but for a rare overflow bucket


def run(lab):
    n = lab.pick(2000, 20000, 40000)
    sizes = [64, 136] if lab.smoke else SIZES
    here = [v for v in VERSIONS if lab.have("values_" + v)]
    variants = {"%s %d" % (place, size): ("values", "sizes", place, size)
                for place in PLACES for size in sizes if place != "typed" or size <= TYPED_MAX}
    variants.update({"%s %s %d" % (v, where, size): ("values_" + v, "sizes", where, size)
                     for v in here for where in ("inline", "pointer") for size in sizes})

    def one(name, args, number):
        got = lab.call(*args, n, number + 1)
        got = go_result(got, name) if "version" in got else got
        return {k: v for k, v in got.items() if k not in ("where", "bytes", "n")}

    samples = lab.rounds(variants, one, decide={"put", "field"}, seconds=lab.time_left() * 0.6)
    few = lab.pick(20000, 100000, 300000)
    again = {"clone": ("copied", "clone", few), "one thread": ("copied", "fields", n, 1),
             "two threads": ("copied", "fields", n, 2)}
    again.update({"copy %d" % size: ("values", "copy", size) for size in COPIES})
    again.update({"%s collect %s" % (v, kind): ("values_" + v, "collect", kind, few)
                  for v in here for kind in ("plain", "string", "pointer")})

    def other(name, args, number):
        seed = [number + 1] if args[0] == "copied" else []
        got = lab.call(*args, *seed, pin=name != "two threads")
        got = go_result(got, name) if "version" in got else got
        return {k: v for k, v in got.items() if k != "bytes"}

    return {"entries": n, "many": few, "samples": samples, "others": lab.rounds(again, other),
            "facts": lab.call("copied", "facts"),
            "growth": [lab.call("values", "growth", place, size, 1)
                       for place in ("inline", "stable", "classic") for size in (64, 256)],
            "go": {v: go_facts(lab, v, few) for v in here}}


def go_result(got, name):
    if got["version"] not in name.split():
        raise kit.Failed("%s ran as %s" % (name, got["version"]))
    return got["result"]


def go_facts(lab, version, n):
    """Allocations, sharing, and what the compiler says of go/stores."""
    facts = {what: go_result(lab.call("values_" + version, *args), version) for what, args in (
        ("allocs", ["allocs"]), ("sharing", ["sharing"]), ("growth", ["growth", n // 4]))}
    escapes = lab.go("build", "-gcflags=-m", "./stores", toolchain=version, cwd=lab.folder + "/go")
    # The go command keeps what the compiler printed and prints it again for a package that is up to date.
    listing = lab.go("build", "-gcflags=-S", "./stores", toolchain=version, cwd=lab.folder + "/go")
    if escapes.returncode or listing.returncode:
        raise kit.Failed("go/stores does not build: " + kit.last_line(escapes.stderr + listing.stderr))
    facts["escapes"] = escaping(escapes.stderr, open(lab.folder + "/go/stores/stores.go", encoding="utf-8").read())
    facts["calls"] = calls(listing.stderr)
    return facts


def escaping(messages, source):
    """{function: what the compiler moves to the heap in it}, from the messages of -gcflags=-m."""
    found, lines = {}, source.splitlines()
    for line, text in re.findall(r"stores\.go:(\d+):\d+: (moved to heap: \w+|[^\n]* escapes to heap)", messages):
        owner = next(re.match(r"func (\w+)", lines[i])[1] for i in range(int(line) - 1, -1, -1)
                     if lines[i].startswith("func "))
        found.setdefault(owner, []).append(text)
    return found


def calls(listing):
    """{function: the function of the runtime its assignment calls}, from the listing of -gcflags=-S."""
    found, owner = {}, ""
    for line in listing.splitlines():
        start = re.match(r"\S*stores\.(\w+) STEXT", line)
        owner = start[1] if start else owner
        call = re.search(r"CALL\s+runtime\.(mapassign\w*)\(SB\)", line)
        if call:
            found[owner] = call[1]
    return found


# Verdicts

def judge(data):
    go = data["go"].get(kit.CLASSIC_GO)
    if not go:
        return kit.not_here(ANSWERS, NO_GO)
    return [escape_limit(data, go), headers(data, go), fast_path(data, go), stores(data, go), shared(data, go)]


def escape_limit(data, go):
    """Refuted: the compiler moves nothing of a 512-byte struct to the heap and overwriting one allocates nothing."""
    moved, allocs = go["escapes"].get("storeBig", []), go["allocs"]
    verdict = kit.REFUTED if not moved and allocs["overwrite_big"] < FREE else \
        kit.CONFIRMED if moved and allocs["overwrite_big"] > 0.99 else kit.DEPENDS
    cells = {size: new_allocs(data, "classic %d" % size) for size in (64, 128, 136, 512)}
    text = "-m on a stored struct of 512 bytes: %s; allocations per overwrite %s, per new key %s" % (
        ", ".join(moved) or "nothing escapes", kit.figure(allocs["overwrite_big"]), kit.figure(allocs["new_big"]))
    note = "128 bytes is where the map keeps the value in a cell of its own, one for each new key; in lib/classic, " \
        "allocations per new key by bytes of value: %s." % ", ".join(
            "%d: %s" % (size, kit.figure(x)) for size, x in cells.items() if x is not None)
    return Verdict("N34", verdict, "structs above 128 bytes escape to the heap", text, note)


def new_allocs(data, name):
    return kit.summary(data["samples"][name]["new_allocs"]).median if name in data["samples"] else None


def headers(data, go):
    """Confirmed: a string's header is 24 bytes, as an int beside it making 32 needs; depends: a slice's is."""
    s = go["sharing"]
    verdict = kit.CONFIRMED if s["string_header"] == 24 else kit.DEPENDS if s["slice_header"] == 24 else kit.REFUTED
    times = {size: kit.summary(data["others"]["copy %d" % size]["copy"]) for size in (24, 32, 128, 512)}
    return Verdict("N35", verdict, "32 bytes copied, 24 of them headers",
                   "header of a string %d bytes, of a slice %d; an int64 with a string %d, with a slice %d" % (
                       s["string_header"], s["slice_header"], s["string_struct"], s["slice_struct"]),
                   "The struct is copied whole: %s. A copy alone: %s." % (
                       kit.figure(s["struct_copied"]),
                       ", ".join("%d bytes %s" % (size, kit.said(t, "ns")) for size, t in times.items())))


def fast_path(data, go):
    """Refuted: the compiler calls the fast function for values above 24 bytes, too."""
    made = {int(name[6:]): call for name, call in go["calls"].items() if name.startswith("assign")}
    fast = [size for size, call in made.items() if call == "mapassign_fast64"]
    verdict = kit.INCONCLUSIVE if not fast else kit.CONFIRMED if max(fast) <= 24 else kit.REFUTED
    ours = {int(name.split()[1]): PATHS[m["path"][0]] for name, m in data["samples"].items()
            if name.startswith("classic ")}
    return Verdict("N37", verdict, "only up to 24 bytes",
                   "calls by bytes of value: " + ", ".join("%d %s" % c for c in sorted(made.items())),
                   "%s compiled with -S; lib/classic chooses alike: %s." % (
                       kit.CLASSIC_GO, ", ".join("%d %s" % o for o in sorted(ours.items()))))


def stores(data, go):
    """Refuted: neither overwriting nor growing allocates per struct; growing: under half an object per insert."""
    over, grown = go["allocs"]["overwrite_user"], go["growth"]["grown"] / go["growth"]["inserts"]
    verdict = kit.REFUTED if over < FREE and grown < 0.5 else \
        kit.CONFIRMED if over > 0.99 and grown > 0.99 else kit.DEPENDS
    moved = ", ".join("%s %d bytes: %d allocations for %d entries" % (
        g["where"], g["bytes"], g["allocs"], g["entries"]) for g in data["growth"])
    return Verdict("K89", verdict, "an allocation for each store, and for each struct at each growth",
                   "%s allocations per overwrite, %s per insert while growing fourfold; -m: %s" % (
                       kit.figure(over), kit.figure(grown),
                       ", ".join(go["escapes"].get("storeUser", [])) or "nothing escapes"),
                   "One growth in C: %s." % moved)


def shared(data, go):
    """Confirmed: after the assignment the struct is another one, and the bytes of its string and slice are the same."""
    s, ours = go["sharing"], data["facts"]
    yes = s["struct_copied"] and s["string_shared"] and s["slice_shared"]
    return Verdict("K91", kit.CONFIRMED if yes else kit.REFUTED, "headers are copied, data is shared",
                   "struct copied: %s; string data shared: %s; slice data shared: %s; maps.Clone shares it: %s" % tuple(
                       kit.figure(s[k]) for k in ("struct_copied", "string_shared", "slice_shared", "clone_shares")),
                   "In C the same: lib/classic %s, gomap %s; with gomap's value_copy data is shared: %s." % tuple(
                       kit.figure(bool(ours[k])) for k in ("classic_shares", "gomap_shares", "value_copy_shares")))


# Tables and plots

def known(metrics, name, unit=""):
    return kit.said(kit.summary(metrics[name]), unit) if metrics.get(name) else ""


def tables(data):
    columns = {"insert": "insert", "put": "put", "through": "copy out, change, put", "field": "field in place",
               "new_allocs": "allocations, new key", "put_allocs": "overwrite", "held": "bytes an entry"}
    yield Table("%s entries, 8-byte keys; ns an operation" % kit.figure(data["entries"]),
                ["place, bytes of value", *columns.values(), "spread of put"],
                [[name] + [known(m, c) for c in columns] + ["%.0f %%" % (100 * kit.summary(m["put"]).spread)]
                 for name, m in data["samples"].items()],
                "typed, inline: gomap, in the slot. stable: gomap, in cells. classic: Go's map in C. pointer, pool: gomap, "
                "the slot holds an address. A field of a struct in a Go map cannot be assigned to.")
    others = data["others"]
    yield Table("A copy alone, ns", ["bytes", "ns"], [[str(size), known(others["copy %d" % size], "copy")]
                                                      for size in COPIES], "32 copies in turn, in the first-level cache.")
    ways = {"through": "copy out, change, put", "field": "lookup, change in place", "atomic": "lookup, atomic add",
            "held": "atomic add through a kept pointer"}
    yield Table("Counting in a field of a 64-byte struct, stable values, ns", ["", *ways.values()],
                [[name] + [known(others[name], way) for way in ways] for name in ("one thread", "two threads")],
                "Only the third way runs in both threads; no count was lost, or the program would have failed.")
    clone = others["clone"]
    yield Table("A snapshot to iterate over, %s entries of 40 bytes" % kit.figure(data["many"]),
                ["map", "clone, ns an entry", "walk, ns an entry", "allocations of the clone"],
                [[m] + [known(clone, "%s_%s" % (m, what)) for what in ("clone", "walk", "allocs")]
                 for m in ("gomap", "classic")],
                "The original is changed in between; the snapshot is checked to show what was.")
    yield Table("One growth: calls of malloc and mmap from its first insert to its end",
                ["map", "bytes of value", "entries", "calls", "values that kept their address"],
                [[g["where"], g["bytes"], g["entries"], g["allocs"], g["stayed"]] for g in data["growth"]])
    f = data["facts"]
    yield Table("When are two keys one? Entries after two were put", ["keys", "as bytes", "by value"],
                [["structs with equal fields, other padding", f["padded_as_bytes"], f["padded_by_fields"]],
                 ["+0.0 and -0.0", f["zeros_as_bytes"], f["zeros_as_numbers"]],
                 ["a NaN twice", f["nans_as_bytes"], f["nans_as_numbers"]]],
                "Go compares by value, fields without the padding: " + ", ".join(
                    "%s %s" % (v, "agrees" if g["sharing"]["padding_equal"] else "differs") for v, g in data["go"].items()))
    yield Table("A collection with %s values of 32 bytes alive, \u00b5s of processor time" % kit.figure(data["many"]),
                ["Go", "without pointers", "with a string", "behind pointers"],
                [[v] + [known(others["%s collect %s" % (v, kind)], "cpu_us") for kind in ("plain", "string", "pointer")]
                 for v in data["go"]])
    yield Table("Objects allocated by inserts of structs with a string", ["Go", "inserts", "growing fourfold", "presized"],
                [[v] + [kit.figure(g["growth"][k]) for k in ("inserts", "grown", "presized")]
                 for v, g in data["go"].items()])


def plots(data):
    for metric, title in (("put", "Overwriting a value"), ("held", "Memory"),
                          ("through", "Changing one word of a value by copying it out and in")):
        series = {}
        for name, metrics in data["samples"].items():
            owner, size = name.rsplit(" ", 1)
            if metric in metrics:
                series.setdefault(owner, []).append((int(size), kit.summary(metrics[metric]).median))
        unit = "bytes an entry" if metric == "held" else "ns"
        yield Plot(title, draw.line(series, "bytes of a value", unit, log_x=True),
                   "%s entries. Beyond 128 bytes Go's map keeps values in cells." % kit.figure(data["entries"]))
