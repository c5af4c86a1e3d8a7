"""What do a delete and a clear leave behind?  Slots read from the buckets, bytes from the allocator or the heap."""
import kit
import plots as draw

TITLE = "What does a deleted entry leave behind?"
ANSWERS = ["K24", "K25", "K26", "K27", "K28", "K29", "K53", "K54"]
PROGRAMS = ["deletion"]
NEW_GO = kit.NEWEST_GO
GO = {"deletion_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, NEW_GO)}
SAME = 0.02  # bytes that differ by less are the same: the heap holds more than the map


# ---- measuring

def run(lab):
    n = lab.pick(2000, 1000000, 1000000)
    data = {"n": n, "maps": {"classic": lab.call("deletion", n)}, "missing": dict(lab.missing)}
    data["maps"]["gomap"] = {"memory": data["maps"]["classic"].pop("gomap")}
    for name, (_, version) in GO.items():
        if lab.have(name):
            found = lab.call(name, "memory", n, pin=False) | lab.call(name, "slots")
            if found["version"] != version:
                raise kit.Failed("%s says it is %s" % (name, found["version"]))
            data["maps"][version] = found
    return data


# ---- judging

def with_slots(data):
    """The maps of the articles' design."""
    return {name: found for name, found in data["maps"].items() if "marks" in found}


def each(data, question, field):
    """`map: value` of all maps that answer."""
    return "; ".join("%s: %s" % (name, kit.figure(found[question][field])) for name, found in with_slots(data).items())


def decide(holds):
    """All of them, none of them, or some."""
    holds = list(holds)
    return kit.CONFIRMED if all(holds) else kit.DEPENDS if any(holds) else kit.REFUTED


def kept_share(found, state):
    return found["memory"][state]["bytes"] / found["memory"]["full"]["bytes"]


def judge_slots(data):
    maps = with_slots(data)
    constants = decide(f["marks"]["never_used"] == 0 and f["marks"]["deleted_before_others"] == 1
                       and f["marks"]["deleted_last"] == 0 for f in maps.values())
    above = decide(min(f["moved"]) > 128 for f in maps.values())
    barred = decide(f["marks"]["next_insert_slot"] != f["marks"]["freed_slot"] or f["marks"]["grew"] for f in maps.values())
    always = decide(not f["residue"]["number_stays"] and f["residue"]["elem_zero"] for f in maps.values())
    functions = {name: f["functions"] for name, f in maps.items() if "functions" in f}
    named = any("deletenode" in name.lower() for names in functions.values() for name in names)
    return [
        kit.Verdict("K24", constants, "0 and 1",
                    "never used: %s; deleted, an entry behind it: %s; deleted, none behind it: %s"
                    % tuple(each(data, "marks", f) for f in ("never_used", "deleted_before_others", "deleted_last")),
                    "A slot with nothing behind it becomes emptyRest, and so do the emptyOne slots before it."),
        kit.Verdict("K25", above, "above 128", "bytes in evacuated buckets: " + "; ".join(
            "%s: %s" % (name, ", ".join(map(str, f["moved"]))) for name, f in maps.items()),
                    "Marks lie below 5, the least tophash of an entry."),
        kit.Verdict("K26", barred, "no new key before a growth", "slot freed, and slot the next insert took: " + "; ".join(
            "%s: %d, %d" % (name, f["marks"]["freed_slot"], f["marks"]["next_insert_slot"]) for name, f in maps.items()),
                    "No growth came between."),
        kit.Verdict("K27", kit.CONFIRMED if always == kit.CONFIRMED and named else always if not named else kit.DEPENDS,
                    "deletenode clears both", "number key still there: %s; string's pointer zero: %s, its length still "
                    "there: %s; elem zero: %s" % tuple(each(data, "residue", f) for f in (
                        "number_stays", "string_pointer_zero", "string_length_stays", "elem_zero")),
                    "A key is cleared only as far as the collector would follow it. Functions in a Go program: %s." %
                    (", ".join(sorted({n for names in functions.values() for n in names})) or "no Go here")),
    ]


def judge_memory(data):
    go = {name: f for name, f in data["maps"].items() if name != "gomap"}
    articles = with_slots(data)
    none_back = decide(kept_share(f, "deleted") > 1 - SAME for f in articles.values())
    text = "; ".join("%s %.1f %%" % (name, 100 * kept_share(f, "deleted")) for name, f in data["maps"].items())
    by_growth = {name: 1 - f["release"]["grown"] / f["release"]["growing"] for name, f in articles.items()}
    by_clear = {name: 1 - f["release"]["cleared"] / f["release"]["full"] for name, f in articles.items()}
    freed = [x > SAME for x in (*by_growth.values(), *by_clear.values())]
    if none_back == kit.CONFIRMED and not any(freed):
        together = kit.CONFIRMED
    else:
        together = kit.DEPENDS if none_back == kit.CONFIRMED else kit.REFUTED
    shrinks = decide(f["memory"]["refilled"]["slots"] < f["memory"]["full"]["slots"] or kept_share(f, "refilled") < 1 - SAME
                     for f in go.values())
    slots = "; ".join("%s %s -> %s slots" % (name, *(kit.figure(f["memory"][s]["slots"]) for s in ("full", "refilled")))
                      for name, f in data["maps"].items())
    return [
        kit.Verdict("K28", none_back, "no memory back",
                    "held after %s entries were deleted: %s" % (kit.figure(data["n"]), text),
                    "Judged by the maps of the articles' design; the others stand beside them."),
        kit.Verdict("K29", together, "only with the hmap",
                    "given back by a delete: %s; by the end of a growth: %s; by clear: %s"
                    % tuple("; ".join("%s %.1f %%" % (name, abs(100 * x)) for name, x in got.items()) for got in (
                        {name: 1 - kept_share(f, "deleted") for name, f in articles.items()}, by_growth, by_clear)),
                    "A growth frees the old array, clear the overflow buckets that were allocated one by one."),
        kit.Verdict("K54", shrinks, "shrinks", "full, then emptied and one in a hundred put again: " + slots,
                    "Judged by Go's maps and classic; gomap stands beside them."),
    ]


def judge_clear(data):
    go = {name: f["clear"] for name, f in data["maps"].items() if "clear" in f}
    kept = decide(c["same_array"] and c["entries"] == 0 for c in go.values())
    text = "; ".join("%s: %s" % (name, "same address" if c["same_array"] else "another array") for name, c in go.items())
    return kit.Verdict("K53", kept, "kept", text, "10 000 entries, all cleared.")


def judge(data):
    verdicts = [*judge_slots(data), *judge_memory(data), judge_clear(data)]
    if data["missing"]:
        why = " Not measured: " + "; ".join(dict.fromkeys(data["missing"].values()))
        verdicts = [v._replace(note=v.note + why) for v in verdicts]
    return verdicts


def tables(data):
    states = [("full", "full"), ("deleted", "all deleted"), ("refilled", "1 % put again")]
    yield kit.Table("Bytes held", ["map", *(title for _, title in states)],
                    [[name, *(kit.figure(f["memory"][s]["bytes"]) for s, _ in states)] for name, f in data["maps"].items()],
                    "%d entries of two integers. C: what the map has from the allocator. Go: growth of the heap, after two "
                    "collections." % data["n"])
    parts = ["growing", "grown", "full", "cleared"]
    yield kit.Table("Bytes held while the map lives", ["map", "growing", "growth over", "as full as it gets", "cleared"],
                    [[name, *(kit.figure(f["release"][p]) for p in parts)] for name, f in with_slots(data).items()])


def plots(data):
    return [kit.Plot("Bytes held by a map whose entries go", draw.bars(
        [(name, {s: f["memory"][s]["bytes"] / 1e6 for s in ("full", "deleted", "refilled")})
         for name, f in data["maps"].items()], "MB"), "refilled: with 1 % of the entries put again")]
