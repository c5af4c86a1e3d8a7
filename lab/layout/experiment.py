"""Where everything lies: headers, buckets and structs in C and in five versions of Go."""
from collections import namedtuple

import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "Where does everything lie?"
ANSWERS = ["N03", "N04", "N36", "N42", "K01", "K02", "K03", "K05", "K07", "K08", "K09", "K11", "K13", "K16", "K17",
           "K18", "K19"]
PROGRAMS = ["offsets", "offsets_lite"]
VERSIONS = ["go1.18.10", "go1.20.14", "go1.21.13", kit.CLASSIC_GO, kit.NEWEST_GO]
GO = {"layout_" + v: ("go/main.go", v) for v in VERSIONS}
CLASSIC_PARTS = "topbits keys elems overflow"
GROUP_SHARE = 8 * 16 / 15  # gomap: 16 bytes of metadata for 15 slots
# A type of map.  key_in, elem_in: bytes of one in its slot; spans: offset and size of each part; slot: gomap's
# bytes a slot, of them padding.
Row = namedtuple("Row", "key elem bytes key_in elem_in spans slot", defaults=[None])


def run(lab):
    data = {"c": packed(lab.call("offsets")), "lite": lab.call("offsets_lite")["structs"], "go": {}}
    for version in VERSIONS:
        if lab.have("layout_" + version):
            data["go"][version] = packed(lab.call("layout_" + version))
            if data["go"][version]["version"] != version:
                raise kit.Failed("asked for %s, got %s" % (version, data["go"][version]["version"]))
    return data


def packed(document):
    """The same document with a short list for each of its hundred types."""
    document["parts"] = sorted({" ".join(p["name"] for p in m["parts"]) for m in document["maps"]})
    document["maps"] = [
        [m["key"], m["elem"], m["bytes"], m["key_in"], m["elem_in"],
         [number for p in m["parts"] for number in (p["offset"], p["size"])]] +
        ([[m["gomap"]["slot"], m["gomap"]["slot"] - m["gomap"]["key_in"] - m["gomap"]["value_in"]]] if "gomap" in m else [])
        for m in document["maps"]]
    return document


# Looking things up

def named(records, name):
    return next(r for r in records if r["name"] == name)


def offsets(record):
    return {f["name"]: f["offset"] for f in record["fields"]}


def padding(record):
    return record["size"] - sum(f["size"] for f in record["fields"])


def rows(document):
    return [Row(*m) for m in document["maps"]]


def bucket(document, key, elem):
    return next(r for r in rows(document) if (r.key, r.elem) == (key, elem))


def classics(data):
    return {v: d for v, d in data["go"].items() if d["design"] == "classic"}


def equal_rows(one, other):
    """Types that are the same to the byte in two implementations of one design."""
    return sum(a[:6] == b[:6] for a, b in zip(one["maps"], other["maps"], strict=True))


def listed(values):
    return ", ".join(map(str, sorted(values)))


def numbers(record):
    return "%d/%d/%d" % (record["size"], record["align"], padding(record))


def versions(found):
    return ", ".join(found) if found else "no Go of that design here"


def true_if(test):
    return kit.CONFIRMED if test else kit.REFUTED


# Verdicts: each is a comparison of what was found with what was claimed; nothing here has a spread

def judge(data):
    verdicts = judge_structs(data)
    classic = classics(data)
    if not classic:
        left = [name for name in ANSWERS if name not in [v.id for v in verdicts]]
        return verdicts + kit.not_here(left, "claims about Go's classic map, and no Go toolchain up to 1.23 is here")
    return verdicts + judge_header(data, classic) + judge_buckets(data, classic)


def judge_structs(data):
    """The C structs are always here; where there is Go its compiler must agree for a claim to hold."""
    everywhere = [data["c"]["structs"]] + [d["structs"] for d in data["go"].values()]
    who = "C and " + versions(data["go"])
    small, large, gaps = ([numbers(named(s, name)) for s in everywhere] for name in ("small", "large", "gaps"))
    places = {tuple(offsets(named(s, "large")).values()) for s in everywhere}
    ordered = all(f["offset"] >= before["offset"] + before["size"] for s in everywhere for record in s
                  for before, f in zip(record["fields"], record["fields"][1:]))
    sparable = {named(s, "gaps")["size"] - named(s, "sorted")["size"] for s in everywhere}
    lite = {named(data["lite"], "record")["size"]} | {named(d["structs"], "lite")["size"] for d in data["go"].values()}
    full = {named(data["c"]["structs"], "record")["size"]} | {named(d["structs"], "full")["size"]
                                                             for d in data["go"].values()}
    text = "%s; %s" % (gaps[0], who)
    return [
        Verdict("N03", true_if(set(small) == {"8/4/2"} and set(large) == {"16/8/5"} and places == {(0, 8)}),
                "8/4/2 and 16/8/5; key at 0, value at 8",
                "%s and %s, fields of the second at %s; %s" % (small[0], large[0], listed(places), who)),
        Verdict("N36", true_if(set(gaps) == {"24/8/14"}), "24 bytes, 14 of padding", text),
        Verdict("N42", true_if(lite == {32} and full == {128}), "full 128 bytes, lite 32",
                "full %s, lite (int64, string) %s bytes" % (listed(full), listed(lite)),
                "12 fields come to 128 with four strings and eight words; the fields of the article are not known."),
        Verdict("K09", true_if(ordered), "the compiler never reorders fields",
                "fields lie in the order of their declaration in all %d structs of each of %d compilers"
                % (len(everywhere[0]), len(everywhere)),
                "Reordering would have spared %s bytes in the struct of N36, so there was something to gain."
                % listed(sparable)),
        Verdict("K18", true_if(set(gaps) == {"24/8/14"}), "24 bytes, 14 of padding", text),
    ]


def judge_header(data, classic):
    headers = {v: offsets(d["header"]) for v, d in classic.items()} | {"lib/classic": offsets(data["c"]["header"])}
    claimed = ("count", "flags", "B", "noverflow")
    first = {tuple(h[name] for name in claimed) for h in headers.values()}
    seeds = {h["hash0"] for h in headers.values()}
    most = {v: d["placing"][-1] for v, d in classic.items()}
    whole = all(p["at12"] == p["entries"] for p in most.values())
    there = ", ".join("%d of %d" % (p["at16"], p["entries"]) for p in most.values())
    powers = all(p["slots"] == 8 << p["B"] and p["buckets"] <= 1 << p["B"] for p in data["c"]["placing"])
    within = all(p["used"] <= 1 << p["B"] and p["at12"] == p["entries"] for d in classic.values() for p in d["placing"])
    largest = data["c"]["placing"][-1]
    return [
        Verdict("K01", true_if(first == {(0, 8, 9, 10)}), "count 0, flags 8, B 9, noverflow 10",
                "%s in %s" % (", ".join("/".join(map(str, f)) for f in sorted(first)), versions(headers))),
        Verdict("K02", true_if(seeds == {16}), "hash0 at 16 after padding",
                "hash0 at %s; header %d bytes, %d of padding" % (listed(seeds), data["c"]["header"]["size"],
                                                                 padding(data["c"]["header"])),
                "Cross-check in memory: with the seed read at 12, %s entries lie in the bucket their hash chooses; "
                "read at 16: %s." % ("all" if whole else "not all", there)),
        Verdict("K03", true_if(powers and within), "B is the logarithm of the number of buckets",
                "classic: %d entries at B=%d in %d buckets; Go: every entry lies in the bucket that the low B bits "
                "of its hash name, B=%s" % (largest["entries"], largest["B"], largest["buckets"],
                                           ", ".join(str(p["B"]) for p in most.values())),
                "Go 1.21 is one doubling ahead at 100 000 entries: its load limit is 6.0."),
    ]


def judge_buckets(data, classic):
    reference = next(iter(classic.values()))
    types = len(reference["maps"])
    everyone = list(classic.values()) + [data["c"]]
    ints = [bucket(d, "u64", "u64") for d in everyone]
    sizes, tops, keys = ({value(r) for r in found} for found, value in (
        (ints, lambda r: r.bytes), (ints, lambda r: r.spans[0]),
        ([r for d in classic.values() for r in rows(d)], lambda r: r.spans[2])))
    where = ", ".join("%s %d" % part for part in zip(CLASSIC_PARTS.split(), ints[0].spans[::2]))
    gapless = all(r.bytes == sum(r.spans[1::2]) for d in classic.values() for r in rows(d))
    names = {n for d in classic.values() for n in d["parts"]}
    same = {v: equal_rows(reference, d) for v, d in classic.items()}
    small = bucket(reference, "u64", "u8")
    apart = 8 + 8 * 16 + 8  # 8 slots of an 8-byte key and a byte, padded to 16
    bmaps = {d["bmap"]["size"] for d in classic.values()}
    inline, pointer = row_in(reference, "b128"), row_in(reference, "b129")
    comparable = [d["comparable"] for d in data["go"].values()]
    refusals = sorted({d["refusal"].split(": ", 1)[-1] for d in data["go"].values()})
    agrees = ", ".join("%d of %d types are those of %s" % (equal_rows(data["c"], d), types, v)
                       for v, d in classic.items() if v == kit.CLASSIC_GO)
    return [
        Verdict("N04", true_if(sizes == {128, 136} and tops == {0, 88}),
                "Go 1.20: 136 bytes, tophash at 88; Go 1.21: 128 bytes, tophash at 0",
                "%s bytes, tophash at %s in %s" % (listed(sizes), listed(tops), versions(classic)),
                "lib/classic: %s." % agrees if agrees else ""),
        Verdict("K05", true_if(keys != {8}), "keys of struct{byte} may start at 9",
                "keys start at %s in all %d types of %s" % (listed(keys), types, versions(classic))),
        Verdict("K07", true_if(not gapless or names != {CLASSIC_PARTS}),
                "an explicit field of 24 bytes fills a bucket up to 64",
                "fields %s; %s" % (" / ".join(sorted(names)), "no byte between or behind them in any of %d types" % types
                                   if gapless else "with gaps")),
        Verdict("K08", true_if(sizes & {32, 40}), "the fields come to 32 or 40 bytes", "%s; %s bytes" % (where, listed(sizes))),
        Verdict("K11", true_if(any(n != types for n in same.values())),
                "Go 1.21 made the bucket compact; before, tophash was a slice of its own",
                "of %d types have the layout of %s: %s" % (types, next(iter(same)), ", ".join(
                    "%s %d" % item for item in same.items())), "tophash lies at %s." % listed(tops)),
        Verdict("K13", true_if(bmaps == {16}), "bmap is 16 bytes, a pad is missing in 1.22",
                "runtime.bmap, the tophashes alone, is %s bytes" % listed(bmaps)),
        Verdict("K16", true_if(names == {CLASSIC_PARTS} and small.spans == [0, 8, 8, 64, 72, 8, 80, 8]),
                "8 pairs a bucket; keys together, then elems",
                "uint64 to uint8: keys %d bytes at %d, elems %d at %d; bucket %d" % (
                    small.spans[3], small.spans[2], small.spans[5], small.spans[4], small.bytes),
                "Interleaved it would be %d bytes." % apart),
        Verdict("K17", true_if(any(comparable) or "" in refusals), "a struct with a map in it can be a key",
                "the type checker says: %s; reflect: comparable %s" % (" / ".join(refusals), comparable[0])),
        Verdict("K19", true_if(inline == (128, 128) and pointer == (8, 8)), "values above 128 bytes are stored by pointer",
                "of 128 bytes, key and elem take %d and %d in a slot; of 129 bytes %d and %d" % (*inline, *pointer),
                "The same limits in the Swiss map." if all((row_in(d, "b128"), row_in(d, "b129")) == (inline, pointer)
                                                        for d in data["go"].values()) else ""),
    ]


def row_in(document, name):
    row = bucket(document, name, name)
    return row.key_in, row.elem_in


# Tables and pictures

def tables(data):
    yield Table("Header of a map", ["version", "design", "bytes", "fields at"],
                [[v, d["design"], d["header"]["size"], ", ".join("%s %d" % f for f in offsets(d["header"]).items())]
                 for v, d in data["go"].items()] +
                [["lib/classic", "classic", data["c"]["header"]["size"],
                  ", ".join("%s %d" % f for f in offsets(data["c"]["header"]).items())]])
    yield Table("Bytes of 8 entries and what manages them", ["key", "elem", *data["go"], "lib/classic", "gomap: 8 slots",
                                                             "of them padding"], list(map_rows(data)),
                "A bucket in the classic map; a group in the Swiss map, whose slots keep key and elem side by side. gomap: "
                "8 slots and 8/15 of a group's 16 bytes of metadata.")
    yield Table("Structs", ["struct", "C: size/align/padding", *data["go"]],
                [[s["name"], numbers(s)] + [numbers(named(d["structs"], other)) for d in data["go"].values()]
                 for s in data["c"]["structs"] for other in [{"record": "full"}.get(s["name"], s["name"])]])


def map_rows(data):
    for row in rows(data["c"]):
        if row.key in ("u8", "u64", "string") and row.elem not in ("u16", "b3", "wide"):
            sizes = [bucket(d, row.key, row.elem).bytes for d in data["go"].values()]
            slot, padded = row.slot
            yield [row.key, row.elem, *sizes, row.bytes, round(8 * slot + GROUP_SHARE), 8 * padded]


def plots(data):
    names = {kit.CLASSIC_GO: "classic", VERSIONS[-1]: "Swiss"}
    shown = []
    for key, elem in (("u64", "none"), ("u64", "u8"), ("u64", "u32"), ("u64", "u64"), ("string", "u8"), ("string", "u64")):
        values = {"%s (%s)" % (label, v): bucket(data["go"][v], key, elem).bytes / 8
                  for v, label in names.items() if v in data["go"]}
        ours = (8 * bucket(data["c"], key, elem).slot[0] + GROUP_SHARE) / 8
        shown.append(("%s to %s" % (key, elem), values | {"gomap": ours}))
    yield Plot("Bytes of a slot with its share of the metadata", draw.bars(shown, "bytes a slot, full or empty"),
               "Interleaved slots pay for the alignment of the key in every slot; keys apart from elems do not.")
