"""Flags, directives and functions of Go that the articles name, tried on real toolchains."""
import os
import re

import kit
from kit import CONFIRMED, DEPENDS, REFUTED, Table, Verdict

TITLE = "Do the flags and functions exist that the articles tell to use?"
ANSWERS = ["K10", "K20", "K23", "K97", "K98", "K102", "K104", "K106", "K107"]
PROGRAMS = []
TOOLCHAINS = (kit.CLASSIC_GO, kit.NEWEST_GO)

# name: (words of the go command; {out}: a file that may be written)
TRIALS = {
    "fields": ["run", "./cases/fields"],
    "fields -l": ["run", "-gcflags=-l", "./cases/fields"],
    "fields -N -l": ["run", "-gcflags=-N -l", "./cases/fields"],
    "moved": ["build", "-gcflags=-m", "-o", os.devnull, "./cases/moved"],
    "moved -l": ["build", "-gcflags=-m -l", "-o", os.devnull, "./cases/moved"],
    "linkname": ["build", "-o", os.devnull, "./cases/linkname"],
    "reflect": ["run", "./cases/keep"],
    "hijack": ["build", "-o", os.devnull, "./cases/hijack"],
    "trace behind": ["run", "./cases/trace/main.go", "-trace={out}"],
    "trace before": ["run", "-trace={out}", "./cases/trace/main.go"],
    "trace of test": ["test", "-count=1", "-trace={out}", "-o", os.devnull, "./cases/trace"],
    "disablehash": ["build", "-gcflags=-d=disablehash", "-o", os.devnull, "./cases/keep"],
    "EndRegion": ["build", "-tags", "wrongend", "-o", os.devnull, "./cases/regions"],
    "Log pairs": ["build", "-tags", "wronglog", "-o", os.devnull, "./cases/regions"],
    "StartRegion": ["run", "-tags", "right", "./cases/regions"],
    "-u": ["build", "-gcflags=-u", "-o", os.devnull, "./cases/keep"],
    "list of flags": ["tool", "compile", "-h"],
    "novet": ["vet", "./cases/vet"],
    "slice": ["run", "./cases/slice"],
    "no tag": ["run", "./cases/tags"],
    "tag": ["run", "-tags", "lite", "./cases/tags"],
    "help": ["help", "buildconstraint"],
}
SIZES = {"local129": "local of 129 B", "local128k": "local of 128 KiB", "localOver128k": "local of 128 KiB + 1",
         "local10m": "local of 10 MiB", "localOver10m": "local of 10 MiB + 1", "new64k": "new of 64 KiB",
         "newOver64k": "new of 64 KiB + 1"}


def attempt(lab, toolchain, words):
    """One trial: exit code, the file it wrote or not, and what it said, without lists of options."""
    out = os.path.join(lab.scratch, "out")
    done = lab.go(*(word.format(out=out) for word in words), toolchain=toolchain)
    text = done.stdout + done.stderr
    if words[-1] == "-h":
        text = "\n".join(line.strip() for line in text.splitlines() if re.match(r"\s+-u\b", line))
    elif "usage: compile" in text:
        text = text.partition("usage: compile")[0]
    said = [line for line in text.replace(out, "FILE").strip().splitlines() if line and not line.startswith("# ")]
    wrote = os.path.exists(out)
    if wrote:
        os.unlink(out)
    if words[0] == "help":
        said = [line for line in said if "1.16" in line]
    return {"code": done.returncode, "said": said[:40], "wrote": wrote}


def run(lab):
    toolchains, missing = {}, {}
    # The smoke run tries one toolchain: compiling the library for another takes long once.
    for toolchain in TOOLCHAINS[:lab.pick(1, 2, 2)]:
        try:
            version = kit.go_version(toolchain)
        except kit.Missing as why:
            missing[toolchain] = str(why)
            continue
        trials = toolchains[version] = {}
        for name, words in TRIALS.items():
            lab.say("%s: %s" % (version, name))
            trials[name] = attempt(lab, toolchain, words)
    if not toolchains:
        raise kit.Missing("; ".join(missing.values()))
    return {"toolchains": toolchains, "missing": missing, "source": places(lab)}


def places(lab):
    """{line of cases/moved/main.go: name of the function in that line}."""
    with open(os.path.join(lab.folder, "cases", "moved", "main.go"), encoding="utf-8") as lines:
        return {str(n): line.split()[1].split("(")[0] for n, line in enumerate(lines, 1) if line.startswith("func ")}


# Judging: each rule looks at the trials of one toolchain.  True: what the article says holds there.

def first(trial):
    """The first line it said, without the position in the source."""
    return re.sub(r"^\S+\.go:\d+:\d+: ", "", trial["said"][0]) if trial["said"] else "accepted" if trial["code"] == 0 else "nothing"


def offsets(trial):
    """What cases/fields printed: its offsets, as text."""
    return first(trial).partition('"offsets":')[2].partition("]")[0] + "]"


def moved(trials, source):
    """Functions of cases/moved whose local variable or new() leaves the stack."""
    lines = [line.split(":") for line in trials["moved"]["said"] if "moved to heap" in line or "] escapes to heap" in line]
    return [source[line[1]] for line in lines if line[1] in source]


def reorders(t, _):
    return len({offsets(t[name]) for name in ("fields", "fields -l", "fields -N -l")}) > 1


def inlined(trial):
    return sum("can inline" in line for line in trial["said"])


def at_128(t, source):
    """A local just above 128 bytes is moved to the heap, or the compiler says so of the value put into the map."""
    return "local129" in moved(t, source) or any(
        "moved to heap" in line and source.get(line.split(":")[1]) == "main" for line in t["moved"]["said"])


def tags_work(t, _):
    return first(t["no tag"]).split()[0] == "120" and first(t["tag"]).split()[0] == "8" and any(
        "Go versions 1.16 and earlier used a different syntax" in line for line in t["help"]["said"])


def flag_novet_slice(t, _):
    """All three: the flag is there, the directive silences vet, the slice ends where the keys end."""
    return [t["-u"]["code"] == 0, t["novet"]["code"] == 0, first(t["slice"]) == "[0,1,2,3,4,5,6,7]"]


RULES = {
    "K10": (reorders, "-l reorders fields", lambda t, _: "offsets %s without flags, with -l, with -N -l; with -l %d "
            "functions can be inlined instead of %d" % (offsets(t["fields"]), inlined(t["moved -l"]), inlined(t["moved"]))),
    "K20": (at_128, "moved to heap above 128 B",
            lambda t, s: "leave the stack: %s" % (", ".join(SIZES.get(name, name) for name in moved(t, s)) or "none")),
    "K23": (tags_work, "//go:build since 1.17", lambda t, _: "struct of %s B without the tag, %s B with it; \"%s\"" % (
        first(t["no tag"]).split()[0], first(t["tag"]).split()[0],
        next((line for line in t["help"]["said"] if "1.16" in line), "not in go help"))),
    "K97": (lambda t, _: t["linkname"]["code"] == 0, "runtime.MapKeys by linkname",
            lambda t, _: "%s; reflect.Value.MapKeys: %s" % (first(t["linkname"]), first(t["reflect"]))),
    "K98": (lambda t, _: t["hijack"]["code"] == 0, "linkname replaces mapassign", lambda t, _: first(t["hijack"])),
    "K102": (lambda t, _: t["trace behind"]["wrote"] or t["trace before"]["wrote"], "go run main.go -trace writes a trace",
             lambda t, _: "behind the file it is an argument of the program: %s; before it: %s; go test -trace writes one: %s"
             % (first(t["trace behind"]), first(t["trace before"]), kit.figure(t["trace of test"]["wrote"]))),
    "K104": (lambda t, _: t["disablehash"]["code"] == 0, "-d=disablehash", lambda t, _: first(t["disablehash"])),
    "K106": (lambda t, _: t["EndRegion"]["code"] == 0 or t["Log pairs"]["code"] == 0, "EndRegion(ctx), Log(ctx, pairs)",
             lambda t, _: "%s; %s; StartRegion, Log(ctx, category, message), End: %s" % (
                 first(t["EndRegion"]), first(t["Log pairs"]), first(t["StartRegion"]))),
    "K107": (lambda t, s: all(flag_novet_slice(t, s)), "-u, go:novet, one slice over keys and values",
             lambda t, _: "-u: %s; vet under //go:novet: %s; element 8 of 16 over the keys: %s, the first value" % (
                 ", ".join([first(t["-u"]), *(" ".join(line.split()) for line in t["list of flags"]["said"])]), first(t["novet"]),
                 first(t["slice"]).strip("[]").split(",")[8])),
}
# Trials that must succeed, or the others say nothing: the machine, not the claim, would be at fault.
CONTROLS = ("fields", "moved", "reflect", "trace behind", "trace of test", "StartRegion", "slice", "no tag", "tag", "help")


def judge(data):
    verdicts = []
    source = data["source"]
    for name, (rule, claimed, tell) in RULES.items():
        holds, texts = [], []
        for version, trials in data["toolchains"].items():
            broken = [c for c in CONTROLS if trials[c]["code"] != 0]
            if broken:
                raise kit.Failed("%s: %s failed: %s" % (version, broken[0], first(trials[broken[0]])))
            holds.append(rule(trials, source))
            text = tell(trials, source)
            texts.append((version, text))
        word = CONFIRMED if all(holds) else REFUTED if not any(holds) else DEPENDS
        same = len({text for _, text in texts}) == 1
        measured = texts[0][1] if same else "; ".join("%s: %s" % pair for pair in texts)
        verdicts.append(Verdict(name, word, claimed, measured,
                                "the same with " + " and ".join(v for v, _ in texts) if same and len(texts) > 1 else
                                "" if len(texts) > 1 else texts[0][0]))
    return verdicts


def tables(data):
    rows = [(name, version, "go " + " ".join(TRIALS[name]).replace(os.devnull, "/dev/null"), trial["code"], first(trial))
            for name in TRIALS for version, trials in data["toolchains"].items() for trial in [trials[name]]]
    return [Table("What was tried", ["trial", "toolchain", "command", "exit code", "first line it said"], rows)]


def plots(_):
    return []
