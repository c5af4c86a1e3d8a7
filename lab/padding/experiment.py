"""What the size of a value costs a map of strings, and whether padding it spares anything."""
import kit
import plots as draw
from kit import Plot, Table, Verdict

TITLE = "Does a padded value spare memory?"
ANSWERS = ["N01", "K06"]
PROGRAMS = ["padding"]
SWISS_GO = kit.NEWEST_GO
GO = {"padding_" + v: ("go/main.go", v) for v in (kit.CLASSIC_GO, SWISS_GO)}
SIZES = [1, 2, 4, 8, 16]
TYPES = {"struct1": 1, "array1": 1, "padded8": 8, "int2": 2, "int4": 4, "int8": 8, "pair16": 16}  # of padding_go
PLAIN, PADDED = "struct1", "padded8"


def run(lab):
    n = lab.pick(2000, 200000, 400000)
    variants = {"%s %d" % (m, size): ("padding", m, size) for m in ("classic", "gomap") for size in SIZES}
    for version in (kit.CLASSIC_GO, SWISS_GO):
        if lab.have("padding_" + version):
            variants.update({"%s %s" % (version, t): ("padding_" + version, t) for t in TYPES})

    def one(name, args, number):
        got = lab.call(*args, n, number + 1)
        if got.pop("version", args[0].partition("_")[2]) != args[0].partition("_")[2]:
            raise kit.Failed("%s runs another version of Go" % name)
        return got

    return {"entries": n, "samples": lab.rounds(variants, one, decide={"bytes", "hit_ns", "sweep_ns"})}


def padded(data, version, metric):
    """Summary of the ratios padded to plain, or None where that Go is not here."""
    samples = data["samples"]
    if "%s %s" % (version, PLAIN) not in samples:
        return None
    return kit.ratio(samples["%s %s" % (version, PADDED)][metric], samples["%s %s" % (version, PLAIN)][metric])


def judge(data):
    """Confirmed: the whole interval lies at or below the smaller saving claimed; refuted: it lies above."""
    bytes_ratio, pause = padded(data, kit.CLASSIC_GO, "bytes"), padded(data, kit.CLASSIC_GO, "pause_us")
    claimed = "heap in use -12 to -18 %"
    if not bytes_ratio:
        return kit.not_here(ANSWERS, "a claim about Go's classic map, and Go 1.23 is not here", claimed)
    verdict = kit.CONFIRMED if bytes_ratio.high <= 0.88 else kit.REFUTED if bytes_ratio.low > 0.88 else kit.INCONCLUSIVE
    swiss = padded(data, SWISS_GO, "bytes")
    classic = kit.ratio(data["samples"]["classic 8"]["bytes"], data["samples"]["classic 1"]["bytes"])
    notes = ["lib/classic: x%s; Go 1.27: %s." % (kit.said(classic), "x" + kit.said(swiss) if swiss else "not here")]
    said = "%s: x%s bytes an entry" % (kit.CLASSIC_GO, kit.said(bytes_ratio))
    reach = "below 0.65" if pause.high < 0.65 else "above 0.65" if pause.low > 0.65 else "too noisy to say"
    return [Verdict("N01", verdict, claimed + ", pauses -35 %", "%s, x%s pause (%s)" % (said, kit.said(pause), reach),
                    " ".join(notes)),
            Verdict("K06", verdict, claimed, said, " ".join(notes))]


def tables(data):
    metrics = {"bytes": "bytes an entry", "hit_ns": "lookup, ns", "sweep_ns": "sweep, ns an entry",
               "collect_us": "collection, \u00b5s", "pause_us": "its pauses, \u00b5s"}
    rows = [[name] + [kit.said(kit.summary(m[metric])) if metric in m else "" for metric in metrics] +
            ["%.0f %%" % (100 * kit.summary(m["hit_ns"]).spread)] for name, m in data["samples"].items()]
    yield Table("%s entries, 16-byte string keys" % kit.figure(data["entries"]),
                ["map, value", *metrics.values(), "spread of lookup"], rows,
                "Medians with 95 % intervals. struct1 and array1 hold one byte, padded8 the same and seven more.")


def plots(data):
    series = {}
    for name, metrics in data["samples"].items():
        owner, value = name.split(" ")
        size = TYPES.get(value) or int(value)
        if value not in (PLAIN, PADDED):  # integers and arrays of that size stand for it
            series.setdefault(owner, []).append((size, kit.summary(metrics["bytes"]).median))
    yield Plot("Bytes an entry by size of the value", draw.line({k: sorted(v) for k, v in series.items()},
                                                               "bytes of a value", "bytes an entry"),
               "16-byte string keys. Where keys and values lie apart, small values cost what they are; where they lie side "
               "by side, up to 8 bytes cost 8.")
