"""Building values out of parts, and using them again from a pool instead of allocating them."""
import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "What do parts of a value cost to build, and how many does a pool spare?"
ANSWERS = ["N38", "N41"]
PROGRAMS = ["objects"]
SWISS_GO = kit.NEWEST_GO
VERSIONS = (kit.CLASSIC_GO, SWISS_GO)
GO = {"objects_" + v: ("go/main.go", v) for v in VERSIONS}
CLAIMED_NS = {"flat": 2, "pointer": 42, "nested": 187}
MACHINES = 4  # times one machine may be as fast as another
ALMOST_ALL = 0.9
# scenario, threads.  Without a pool nothing is used again: shown once.
REUSE = [("churn", 1), ("churn", 2), ("fill", 1), ("hand", 2), ("hand", 4)]
COLLECTED = ("collect", 1)  # Go
PLAIN = ("churn", 1)


def run(lab):
    n = lab.pick(20000, 100000, 300000)
    here = [v for v in VERSIONS if lab.have("objects_" + v)]
    build = {"C " + kind: ("objects", "build", kind, n) for kind in ("flat", "pointer", "classic", "gomap")}
    build.update({"%s %s" % (v, kind): ("objects_" + v, "build", kind) for v in here for kind in CLAIMED_NS})
    reuse = {"C malloc %s %d" % PLAIN: ("objects", "reuse", "malloc", *PLAIN, n)}
    reuse.update({"%s new %s %d" % (v, *PLAIN): ("objects_" + v, "reuse", "new", *PLAIN, n) for v in here})
    for owner, program, cases in [("C", "objects", REUSE)] + [(v, "objects_" + v, REUSE + [COLLECTED]) for v in here]:
        reuse.update({"%s pool %s %d" % (owner, s, threads): (program, "reuse", "pool", s, threads,
                                                              n // 5 if s == "hand" else n) for s, threads in cases})

    def one(name, args, number):
        seed = [number + 1] if name.startswith("C ") and args[1] == "build" else []
        got = lab.call(*args, *seed, pin=args[1] == "build" or args[4] == 1)
        if got.get("version", name.split()[0]) != name.split()[0]:
            raise kit.Failed("%s ran as %s" % (name, got["version"]))
        return got.get("result", got)

    return {"n": n, "build": lab.rounds(build, one, seconds=lab.time_left() / 2),
            "reuse": lab.rounds(reuse, one, decide={"reused"})}


def judge(data):
    if "%s flat" % kit.CLASSIC_GO not in data["build"]:
        return kit.not_here(ANSWERS, "claims about Go, and Go 1.23 is not here")
    return [parts(data), pool(data)]


def parts(data):
    """Refuted: the order is another one.  Confirmed: the order holds, and each figure is the claimed one as far as machines
    are alike (MACHINES); depends: the order holds, and one figure is certainly not; else inconclusive."""
    got = {kind: kit.summary(data["build"]["%s %s" % (kit.CLASSIC_GO, kind)]["ns"]) for kind in CLAIMED_NS}
    apart = got["flat"].high < got["pointer"].low and got["pointer"].high < got["nested"].low
    reverse = got["flat"].low > got["pointer"].high or got["pointer"].low > got["nested"].high
    close = all(ns / MACHINES <= got[kind].low and got[kind].high <= ns * MACHINES for kind, ns in CLAIMED_NS.items())
    far = any(got[kind].high < ns / MACHINES or got[kind].low > ns * MACHINES for kind, ns in CLAIMED_NS.items())
    verdict = kit.REFUTED if reverse else kit.INCONCLUSIVE if not apart else \
        kit.CONFIRMED if close else kit.DEPENDS if far else kit.INCONCLUSIVE
    ours = ", ".join("%s %s" % (kind, kit.said(kit.summary(data["build"]["C " + kind]["ns"]), "ns"))
                     for kind in ("flat", "pointer", "classic", "gomap"))
    return Verdict("N38", verdict, "2, 42, 187 ns: on the stack, with a *string, with a nested map",
                   ", ".join("%s %s" % (kind, kit.said(ns, "ns")) for kind, ns in got.items()) + "; allocations " +
                   ", ".join(kit.figure(data["build"]["%s %s" % (kit.CLASSIC_GO, kind)]["allocs"][0]) for kind in got),
                   "%s, maps with two entries. In C, freed again: %s." % (kit.CLASSIC_GO, ours))


def pool(data):
    """Confirmed: the pool gives at least ALMOST_ALL of the values a second time in all scenarios and the plain way none;
    depends: in some of them; refuted: in none, or what is passed is no 8 bytes."""
    def reused(how, s, threads):
        return kit.summary(data["reuse"]["%s %s %s %d" % (kit.CLASSIC_GO, how, s, threads)]["reused"])

    cases = REUSE + [COLLECTED]
    good = [case for case in cases if reused("pool", *case).low >= ALMOST_ALL]
    none = reused("new", *PLAIN).high == 0
    passed = data["reuse"]["%s pool churn 1" % kit.CLASSIC_GO]["passed"][0]
    verdict = kit.REFUTED if not good or not none or passed != 8 else \
        kit.CONFIRMED if len(good) == len(cases) else kit.DEPENDS
    text = ", ".join("%s with %d: %.1f %%" % (s, threads, 100 * reused("pool", s, threads).median) for s, threads in cases)
    ours = ", ".join("%s with %d: %.1f %%" % (s, threads, 100 * kit.summary(
        data["reuse"]["C pool %s %d" % (s, threads)]["reused"]).median) for s, threads in REUSE)
    return Verdict("N41", verdict, "almost 100 % instead of 0 %, 8 bytes passed",
                   "used again, by scenario and threads: %s; %d bytes passed" % (text, passed),
                   "A pool gives back what was put into it and not yet collected. Without one: %.0f %%. The pool in C: %s." % (
                       100 * reused("new", *PLAIN).median, ours))


def tables(data):
    yield Table("Building a value and dropping it", ["what", "ns", "allocations", "bytes", "spread"],
                [[name, *(kit.said(kit.summary(m[metric])) for metric in ("ns", "allocs", "bytes")),
                  "%.0f %%" % (100 * kit.summary(m["ns"]).spread)] for name, m in data["build"].items()],
                "Processor time. Go: testing.Benchmark, collections included. C: frees included. Maps have two entries.")
    yield Table("Values used again, %s gets a thread (hand: a fifth)" % kit.figure(data["n"]),
                ["where, how, scenario, threads", "share", "ns"],
                [[name, "%.2f %%" % (100 * kit.summary(m["reused"]).median),
                  kit.said(kit.summary(m["ns"])) if "ns" in m else ""] for name, m in data["reuse"].items()],
                "churn: a map of 1000 values whose oldest is replaced; fill: nothing is taken out; hand: one thread makes, "
                "another drops; collect: two collections between putting back and taking. Values of 256 bytes, reset.")


def plots(data):
    rows = [(name, {"ns": tuple(kit.summary(m["ns"])[:3])}) for name, m in data["build"].items()]
    yield Plot("Building a value", draw.bars(rows, "ns", log=True))
