"""Which way of merging is fast: the plain loop, presized, sorted first, or a tree instead of a map?

Two of N entries each are merged, in every way an engine offers; then 1000 batches into one, as N25 has it: one after
the other in C and in Go, and by 1000 goroutines under one lock in Go.
"""
import kit
import plots as draw

TITLE = "Which way of merging is fast?"
ANSWERS = ["N25", "K108"]
PROGRAMS = ["merges"]
GO = {"merges_go": ("go/main.go", kit.CLASSIC_GO), "merges_go_newest": ("go/main.go", kit.NEWEST_GO)}

# ways that each kind of engine is asked for; `merges list` says what an engine has
MAP_WAYS = ["into", "reserved", "fresh", "presized", "presized15", "sorted", "seeded", "batch"]
TREE_WAYS = ["into", "sorted", "stream"]
BATCH_WAYS = ["growing", "growing-sorted", "presized", "presized-sorted"]
NEEDS = {"reserved": "reserve", "seeded": "seeded", "batch": "batch", "stream": "stream"}
METRICS = ("per_entry", "bytes_per_entry", "bytes_per_second", "calls", "peak", "grows", "sort_share")

CLAIMED_SPEED, CLAIMED_BYTES = 41600 / 24800, 2.1 / 18.3


def ways(engine, keys):
    """How an engine of `merges list` can merge a pair."""
    for how in MAP_WAYS if engine["hint"] else TREE_WAYS:
        fades = how == "sorted" and keys == "str" and engine["keys_fade"]
        if engine.get(NEEDS.get(how, ""), True) and not fades:
            yield how


def variants(lab):
    """{name: (program, arguments before the seed)}; names are `what engine how keys`."""
    chosen = {}
    pair, batches, many = (lab.pick(*sizes) for sizes in ((1000, 40000, 80000), (2000, 30000, 60000),
                                                         (2000, 100000, 300000)))

    def add(program, label, what, engine, how, keys, n):
        chosen[" ".join((what, label, how, keys))] = (program, [what, engine, how, keys, n])

    for engine in lab.call("merges", "list"):
        name = engine["name"]
        for keys in ("u64", "str") if engine["hint"] else ("str",):
            for how in ways(engine, keys):
                add("merges", name, "pair", name, how, keys, pair)
        for how in BATCH_WAYS[:4 if engine["hint"] else 2]:
            add("merges", name, "batches", name, how, "u64", batches)
    for program in GO:
        if not lab.have(program):
            continue
        go = "go" if program == "merges_go" else "go-newest"
        for how in ("into", "fresh", "presized", "presized15", "sorted"):
            add(program, go, "pair", "map", how, "str", pair)
        for how in TREE_WAYS:
            add(program, go + "-btree", "pair", "btree", how, "str", pair)
        for how in BATCH_WAYS:
            add(program, go, "batches", "map", how, "u64", batches)
        for how in BATCH_WAYS[:2]:
            add(program, go + "-btree", "batches", "btree", how, "u64", batches)
            for keys in ("u64", "str"):
                add(program, go, "concurrent", "map", how, keys, many)
                add(program, go + "-btree", "concurrent", "btree", how, keys, many)
    return chosen


def run(lab):
    versions = {}

    def one(name, args, number):
        program, arguments = args
        got = lab.call(program, *arguments, number + 1, pin=arguments[0] != "concurrent")
        if "version" in got:
            versions[program] = got["version"]
        entries, seconds = got["merged"], got["ns"] / 1e9
        return {"per_entry": got["per_entry"], "bytes_per_entry": got["bytes"] / entries,
                "bytes_per_second": got["bytes"] / seconds, "calls": got["calls"], "peak": got["peak"],
                "grows": got.get("grows", 0), "sort_share": got.get("sort_ns", 0) / got["ns"]}

    chosen = variants(lab)
    data = {"sizes": {name: args[-1] for name, (_, args) in chosen.items()},
            "samples": lab.rounds(chosen, one, decide=["per_entry"]), "versions": versions}
    if lab.have("merges_go"):
        data["api"] = lab.call("merges_go", "api")
        files = lab.run(["go", "list", "-deps", "-f", "{{range .CgoFiles}}{{$.ImportPath}}/{{.}} {{end}}",
                         "github.com/google/btree"], env=kit.go_env(kit.CLASSIC_GO), cwd=lab.folder + "/go")
        if files.returncode:
            raise kit.Failed("go list: " + kit.last_line(files.stderr))
        data["api"]["cgo_files"] = files.stdout.split()
    return data


# Verdicts

def btree_against_map(data):
    """[(cell, speed of the tree by the map's, bytes a second likewise)] of the concurrent merges."""
    cells = []
    for name, mine in data["samples"].items():
        what, label, how, keys = name.split()
        other = data["samples"].get(" ".join((what, label + "-btree", how, keys)))
        if what == "concurrent" and other:
            cells.append(("%s %s %s" % (label, how, keys), kit.ratio(mine["per_entry"], other["per_entry"]),
                          kit.ratio(other["bytes_per_second"], mine["bytes_per_second"])))
    return cells


def judge_speed(data):
    cells = btree_against_map(data)
    if not cells:
        return kit.not_here("N25", "no Go toolchain")
    speeds = [speed for _, speed, _ in cells]
    rates = [rate for _, _, rate in cells]
    if speeds[0].n < kit.LEVELS["quick"].least:
        verdict = kit.INCONCLUSIVE
    elif all(kit.above(s, 1 + (CLAIMED_SPEED - 1) / 2) for s in speeds) and all(kit.below(r, 0.25) for r in rates):
        verdict = kit.CONFIRMED  # at least half of the gain, and the bytes a second at most doubly so many, everywhere
    elif all(kit.below(s, 1) for s in speeds):
        verdict = kit.REFUTED  # slower everywhere
    elif any(kit.above(s, 1) for s in speeds) and any(kit.below(s, 1) for s in speeds):
        verdict = kit.DEPENDS
    elif all(kit.below(s, 1 + (CLAIMED_SPEED - 1) / 2) for s in speeds):
        verdict = kit.REFUTED  # nowhere half of the gain
    else:
        verdict = kit.INCONCLUSIVE
    slow, fast = min(cells, key=lambda c: c[1].median), max(cells, key=lambda c: c[1].median)
    measured = "B-tree by map, speed: from %s (%s) to %s (%s); bytes a second: %s to %s times" % (
        kit.said(slow[1]), slow[0], kit.said(fast[1]), fast[0], kit.figure(min(r.median for r in rates)),
        kit.figure(max(r.median for r in rates)))
    return [kit.Verdict("N25", verdict, "1.68 times as fast, 0.11 times the bytes a second", measured,
                        "google/btree, degree 32, beside Go's map; 1000 goroutines under one lock, wall time. "
                        "A slower program allocates less a second: bytes an entry are in the table.")]


def judge_package(data):
    api = data.get("api")
    if not api:
        return kit.not_here("K108", "the Go toolchain %s cannot be had" % kit.CLASSIC_GO)
    wrong = api["cgo_files"] == [] and not api["InOrder"]
    right = bool(api["cgo_files"]) and api["InOrder"]
    measured = "%s: %d files with cgo; InOrder: %s, Ascend: %s; constructor needs a less function: %s" % (
        api["module"], len(api["cgo_files"]),
        *(kit.figure(api[k]) for k in ("InOrder", "Ascend", "constructor_needs_less")))
    return [kit.Verdict("K108", kit.REFUTED if wrong else kit.CONFIRMED if right else kit.DEPENDS,
                        "a B-tree through cgo, walked by InOrder", measured)]


def judge(data):
    return judge_speed(data) + judge_package(data)


# Tables and pictures

def summaries(data, what):
    """[(label, how, keys, {metric: Summary})] of pair, batches or concurrent."""
    return [(*name.split()[1:], {m: kit.summary(values[m]) for m in METRICS})
            for name, values in data["samples"].items() if name.split()[0] == what]


def table(data, what, title, note):
    rows = [[label, how, keys, kit.said(s["per_entry"]), "%.0f %%" % (100 * s["per_entry"].spread),
             "%.0f %%" % (100 * s["sort_share"].median) if s["sort_share"].median else "",
             kit.figure(s["bytes_per_entry"].median), kit.figure(s["bytes_per_second"].median / 1e6),
             kit.figure(int(s["calls"].median)), kit.figure(s["peak"].median / 2 ** 20),
             int(s["grows"].median) if label in ("gomap", "classic") else ""]
            for label, how, keys, s in summaries(data, what)]
    heads = ["engine", "how", "keys", "ns an entry", "spread", "sorting", "bytes an entry", "MB a second",
             "allocations", "peak, MiB", "growths"]
    return kit.Table(title, heads, rows, note)


def size(data, what):
    return kit.figure(next((n for name, n in data["sizes"].items() if name.startswith(what)), 0))


def tables(data):
    versions = ", ".join(sorted(data["versions"].values())) or "no Go"
    return [
        table(data, "pair", "Two of %s entries each, half of the keys in both" % size(data, "pair"),
              "into, reserved: only the second's entries are put; the others make a third one and put both. sorted: "
              "collecting and sorting are in the time (in C, their share is shown). Processor time. " + versions),
        table(data, "batches", "1000 batches of %s entries together" % size(data, "batches"),
              "One after the other, processor time."),
        table(data, "concurrent", "1000 goroutines, a batch each, %s entries together, one lock"
              % size(data, "concurrent"), "Wall time; 1000 goroutines on the processors there are."),
    ]


def plots(data):
    pictures = []
    for what, keys, title in (("pair", "str", "Merging two, string keys"),
                              ("batches", "u64", "1000 batches, integer keys")):
        rows = {}
        for label, how, kind, s in summaries(data, what):
            if kind == keys:
                rows.setdefault(label, {})[how] = s["per_entry"][:3]
        pictures.append(kit.Plot(title, draw.bars(list(rows.items()), "ns an entry", log=True),
                                 "Medians with their intervals; logarithmic."))
    return pictures
