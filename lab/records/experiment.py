"""Records with few fields or many, and as bytes another process can read."""
import kit
import plots as draw
from kit import Plot, Table

TITLE = "What do unused fields cost, and what a serialised record?"
ANSWERS = []  # no number or claim rests on it alone: it goes with N42, whose sizes are those of layout
PROGRAMS = ["records", "records_lite"]
PACKAGES = ["libmsgpack-dev"]
PROFILES = {"full": "records", "lite": "records_lite"}


def run(lab):
    n = lab.pick(2000, 50000, 100000)
    version = lab.call("records", "about")["msgpack"]
    formats = ["flat"] + (["msgpack"] if version else [])
    variants = {"profile " + name: (program, "profile") for name, program in PROFILES.items()}
    variants.update({"update " + how: ("records", "update", how) for how in ["struct", *formats]})
    variants.update({"hand " + how: ("records", "hand", how) for how in formats})

    def one(name, args, number):
        return lab.call(*args, n, number + 1)

    decide = {"insert", "get", "ns", "make", "read"}
    return {"records": n, "msgpack": version, "samples": lab.rounds(variants, one, decide)}


def judge(data):
    return []


def tables(data):
    samples = data["samples"]

    def cells(name, metrics):
        return [kit.said(kit.summary(samples[name][m])) for m in metrics]

    without = "" if data["msgpack"] else " libmsgpack is not here: its rows are missing."
    yield Table("A map of %s records, compiled with all fields or with two" % kit.figure(data["records"]),
                ["profile", "fields", "bytes", "insert, ns", "get, ns", "walk, ns", "bytes an entry", "spread of get"],
                [[name] + cells("profile " + name, ("fields", "bytes", "insert", "get", "walk", "held")) +
                 ["%.0f %%" % (100 * kit.summary(samples["profile " + name]["get"]).spread)] for name in PROFILES],
                "gomap, typed. The lite struct is the beginning of the full one; the compiler checks that.")
    yield Table("One number of a record in a map changed", ["record", "ns", "allocations"],
                [[how[7:]] + cells(how, ("ns", "allocs")) for how in samples if how.startswith("update ")],
                "struct and flat: where it lies. msgpack: unpacked, changed, packed." + without)
    yield Table("Records handed to a worker process through shared memory, each",
                ["format", "bytes", "make, ns", "read, ns", "allocations making", "reading", "wall clock, ns"],
                [[how[5:]] + cells(how, ("bytes", "make", "read", "make_allocs", "read_allocs", "wall"))
                 for how in samples if how.startswith("hand ")],
                "Making and reading: processor time. Both processes share one processor: wall clock has their turns." + without)


def plots(data):
    rows = [(name[5:], {"make": tuple(kit.summary(m["make"])[:3]), "read": tuple(kit.summary(m["read"])[:3])})
            for name, m in data["samples"].items() if name.startswith("hand ")]
    rows += [("change one field, " + name[7:], {"change": tuple(kit.summary(m["ns"])[:3])})
             for name, m in data["samples"].items() if name.startswith("update ")]
    yield Plot("A record as bytes", draw.bars(rows, "ns a record"), "Five fields, two of them strings.")
