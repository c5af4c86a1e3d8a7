"""What Go's compiler makes of its map functions, read off the machine code and the debug information it writes."""
import re
import subprocess
from collections import Counter
from os.path import join

import kit
from kit import CONFIRMED, DEPENDS, REFUTED, Table, Verdict

TITLE = "What do Go's map functions look like in machine code?"
ANSWERS = ["N09", "N10", "N37", "K12", "K15", "K21", "K22"]
PROGRAMS = ["copies"]
SIZES = (8, 16, 24, 32, 64, 128, 136)  # bytes of a value; 128 is the most a bucket holds, says Go's source
# Instructions that compare or shuffle lanes of a vector register. Moves are no evidence: Go zeroes and copies with them.
LANES = re.compile(r"^V?P(SHUFB|CMPEQ[BWDQ]|CMPGT[BWDQ]|CMPU?[BWDQ]|MOVMSKB|TESTN?M[BWDQ])$")
LOCKS = re.compile(r"^(LOCK|XCHG[BWLQ]|CMPXCHG[BWLQ]|XADD[BWLQ])$")
MAP_CODE = r"^(runtime|internal/runtime/maps)\.(\(\*Map\)\.)?(map(access|assign|delete)|runtime_map(access|assign|delete)|get|Put)"


def build(lab, toolchain, level):
    """The Go program for one GOAMD64 level; path of the executable."""
    path = join(lab.scratch, "%s-%s" % (toolchain, level))
    done = lab.go("build", "-o", path, ".", toolchain=toolchain, env={"GOAMD64": level}, cwd=join(lab.folder, "go"))
    if done.returncode:
        raise kit.Failed("GOAMD64=%s does not build: %s" % (level, done.stderr.strip()))
    return path


def listing(lab, toolchain, path, pattern):
    """{function: [(operation, operands)]} of the functions whose names match."""
    done = lab.go("tool", "objdump", "-s", pattern, path, toolchain=toolchain)
    functions, current = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("TEXT "):
            current = functions.setdefault(line.split()[1].removesuffix("(SB)"), [])
        elif line.strip() and current is not None:  # source line, address, bytes, instruction
            parts = [part.strip() for part in line.split("\t") if part.strip()]
            name, _, operands = parts[3].partition(" ")
            current.append((name, operands))
    return functions


def structs(path, wanted):
    """{name: {"size", "fields": {name: offset}}} of structs in the debug information whose names match.  Read from
    readelf's text: no tool for C's structs reads the names that Go gives its own."""
    found, current, field = {}, None, None
    with subprocess.Popen(["readelf", "--debug-dump=info", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, errors="replace") as dump:
        for line in dump.stdout:
            head = re.match(r"\s*<(\d+)><[0-9a-f]+>: Abbrev Number: \d+ \((\w+)\)", line)
            if head:
                if head[1] == "1":
                    current = {"size": 0, "fields": {}} if head[2] == "DW_TAG_structure_type" else None
                field = None
                continue
            part = re.match(r"\s*<[0-9a-f]+>\s+DW_AT_(\w+)\s*: (.*?)\s*$", line)
            if not part or current is None:
                continue
            if part[1] == "name" and "name" not in current:
                current["name"] = part[2]
                if re.fullmatch(wanted, part[2]):
                    found[part[2]] = current
            elif part[1] == "byte_size" and not current["size"]:
                current["size"] = int(part[2], 0)
            elif part[1] == "name":
                field = part[2]
            elif part[1] == "data_member_location" and field:
                current["fields"][field] = int(part[2], 0)
    return {name: {"size": s["size"], "fields": s["fields"]} for name, s in found.items()}


def look(lab, toolchain, level):
    """Everything about one build, small enough to keep."""
    path = build(lab, toolchain, level)
    code = listing(lab, toolchain, path, MAP_CODE)
    stores = listing(lab, toolchain, path, r"^main\.store")
    if len(stores) != len(SIZES) or not code:
        raise kit.Failed("the listing of %s %s lacks functions" % (toolchain, level))
    names = symbols_within(lab, toolchain, path, "runtime.duffcopy")
    fast = [(op, re.sub(r"0x[0-9a-f]+\(IP\)|0x[0-9a-f]{5,}", "-", args))
            for name in sorted(code) if "access1_fast64" in name for op, args in code[name]]
    return {
        "functions": len(code), "instructions": sum(map(len, code.values())),
        "lanes": {name: ops for name, body in code.items() if (ops := Counter(op for op, _ in body if LANES.match(op)))},
        "access": {"instructions": len(fast), "listing": "\n".join(" ".join(i) for i in fast)},
        "far": sum(op.startswith("LEA") and args.startswith("0x18(") for name in code for op, args in code[name]),
        "locks": sum(bool(LOCKS.match(op)) for name, body in {**code, **stores}.items()
                     if "assign" in name or "store" in name for op, _ in body),
        "stores": {str(size): after_assign(stores["main.store%d" % size], names) for size in SIZES},
        "structs": structs(path, r"runtime\.bmap|bucket<uint64,main\.elem\d+>|noalg\.map\.group\[uint64\]main\.elem\d+"),
    }


def symbols_within(lab, toolchain, path, name):
    """{address inside the function as objdump writes it: name}; duffcopy is entered in its middle."""
    for line in lab.go("tool", "nm", "-size", path, toolchain=toolchain).stdout.splitlines():
        words = line.split()
        if words[-1] == name:
            return {"0x%x" % at: name for at in range(int(words[0], 16), int(words[0], 16) + int(words[1]))}
    return {}


def after_assign(body, names):
    """The function a store calls for its slot, and the bytes it writes through the pointer that comes back (in AX) itself;
    a copy that is a call counts by the function's name."""
    calls = [i for i, (op, args) in enumerate(body) if op == "CALL" and ".mapassign" in args]
    if not calls:
        raise kit.Failed("a store without a call of mapassign")
    name, written, wide = body[calls[0]][1].removesuffix("(SB)"), 0, {"MOVUPS": 16, "MOVQ": 8, "VMOVDQU": 32, "VMOVUPS": 32}
    copy = ""
    for op, args in body[calls[0] + 1:]:
        target = args.rpartition(", ")[2]
        if op == "RET":
            break
        if re.fullmatch(r"(0x[0-9a-f]+|0)?\((AX|DI|SI|DX)\)", target) and op in wide and not args.startswith("$"):
            written += wide[op]
        elif op == "CALL" or op.startswith(("REP", "MOVSQ")):
            copy = copy or (args.removesuffix("(SB)") if op == "CALL" else op)
    return {"calls": name, "writes": written, "copy": names.get(copy, copy)}


def c_functions(lab):
    """The same reading of copies.c, by objdump: what each store and each load has."""
    lab.call("copies")
    dump = lab.run([kit.tool("objdump"), "-d", "--no-show-raw-insn", lab.program("copies")]).stdout
    wanted = re.compile(r"(gomap|classic)_(store|load)(\d+)|gomap_classic_get64|gomap_classic_assign|gomap__classic_assign")
    found, current = {}, None
    for line in dump.splitlines():
        head = re.match(r"[0-9a-f]+ <([\w.]+)>:$", line)
        if head:  # what the compiler split off belongs to the function, too
            name = re.sub(r"\.(cold|part|isra|constprop)[.\w]*", "", head[1])
            current = found.setdefault(name, {"instructions": 0, "lanes": 0, "locks": 0, "memcpy": 0}) \
                if wanted.fullmatch(name) else None
        elif current is not None and ":\t" in line:
            words = line.split(":\t")[1].split()
            current["instructions"] += 1
            current["locks"] += words[0] == "lock"
            current["memcpy"] += words[0] == "call" and "memcpy" in words[-1]
            current["lanes"] += bool(LANES.match(words[0].upper()))
    return found


def run(lab):
    builds, missing = {}, {}
    kit.tool("readelf")
    for toolchain, levels in ((kit.CLASSIC_GO, lab.pick(["v1"], ["v1", "v2", "v3", "v4"], ["v1", "v2", "v3", "v4"])),
                              (kit.NEWEST_GO, lab.pick([], ["v1", "v3"], ["v1", "v2", "v3", "v4"]))):
        try:
            version = kit.go_version(toolchain)
            for level in levels:
                lab.say("%s at GOAMD64=%s" % (version, level))
                builds.setdefault(version, {})[level] = look(lab, toolchain, level)
        except kit.Missing as why:
            missing[toolchain] = str(why)
    if kit.CLASSIC_GO not in builds:
        raise kit.Missing("; ".join(missing.values()))
    for levels in builds.values():  # one listing is enough; of the others, whether they are the same
        base = {level: b["access"].pop("listing") for level, b in levels.items()}
        for level, b in levels.items():
            b["access"]["same as"] = [other for other in base if other != level and base[other] == base[level]]
    return {"go": builds, "missing": missing, "c": c_functions(lab)}


# Judging

def classic(data):
    return data["go"][kit.CLASSIC_GO]


def others(data):
    return [(version, levels) for version, levels in data["go"].items() if version != kit.CLASSIC_GO]


def vector(levels):
    """{level: instructions that look at lanes, in functions of the 8-byte fast path}."""
    return {level: sum(n for name, ops in b["lanes"].items() if "fast64" in name for n in ops.values())
            for level, b in levels.items()}


def told(counts, unit=""):
    """One figure for all levels that share it."""
    levels = {}
    for level, n in counts.items():
        levels.setdefault(n, []).append(level)
    return ", ".join("%s%s at %s" % (kit.figure(n), unit, " ".join(which)) for n, which in levels.items())


def fast_sizes(levels):
    return [size for size in SIZES if next(iter(levels.values()))["stores"][str(size)]["calls"].endswith("fast64")]


def judge_layout(data):
    levels = classic(data)
    sizes = {level: b["structs"]["bucket<uint64,main.elem8>"]["size"] for level, b in levels.items()}
    same = "; listing of mapaccess1_fast64 at v3 and v4 %s" % (
        "is the same" if "v4" in levels["v3"]["access"]["same as"] else "differs") if "v4" in levels and "v3" in levels else ""
    lengths = {level: b["access"]["instructions"] for level, b in levels.items()}
    word = REFUTED if len(set(sizes.values())) == 1 else CONFIRMED
    measured = "bucket of uint64 and uint64: %s; mapaccess1_fast64: %s%s" % (
        told(sizes, " bytes"), told(lengths, " instructions"), same)
    note = "; ".join("%s: group of %s" % (version, told(
        {level: b["structs"]["noalg.map.group[uint64]main.elem8"]["size"] for level, b in found.items()}, " bytes"))
        for version, found in others(data))
    return [Verdict("N10", word, "128 B at v1, 120 B at v3 and v4", measured, note),
            Verdict("K15", word, "layout depends on GOAMD64", measured, note)]


def c_summary(functions):
    stores = [f for name, f in functions.items() if "_store" in name]
    loads = [f for name, f in functions.items() if name.startswith("gomap_load")]
    return (sum(f["memcpy"] for f in stores), sum(f["locks"] for f in stores), sum(f["lanes"] > 0 for f in loads), len(loads),
            functions["gomap_classic_get64"]["lanes"])


def judge(data):
    levels = classic(data)
    base = levels["v1"]
    lanes = vector(levels)
    newer = "; ".join("%s, another design: %s" % (version, told(vector(found))) for version, found in others(data))
    bmap = base["structs"]["runtime.bmap"]["size"]
    fast = fast_sizes(levels)
    newer_fast = ", ".join("%s: up to %d B" % (version, max(fast_sizes(found))) for version, found in others(data))
    copied = [s for s in fast if base["stores"][str(s)]["writes"] >= s or base["stores"][str(s)]["copy"]]
    inside = [s for s in fast if s not in copied]
    own = base["stores"]
    return judge_layout(data) + [
        Verdict("K12", CONFIRMED if all(lanes.values()) else REFUTED if not any(lanes.values()) else DEPENDS,
                "MOVQ and PSHUFB compare 8 at once", "instructions on vector lanes in the fast64 functions: " + told(lanes), newer),
        Verdict("N09", CONFIRMED if bmap == 16 else REFUTED, "bmap of 16 B, LEA 0x18",
                "bmap of %d bytes, %d LEA with 0x18 in %d map functions; keys begin at %d" % (
                    bmap, base["far"], base["functions"], base["structs"]["bucket<uint64,main.elem8>"]["fields"]["keys"])),
        *(Verdict(name, CONFIRMED if max(fast) <= 24 else REFUTED, "values up to 24 B",
                  "stores of %s bytes call mapassign_fast64, of %s mapassign" % (
                      ", ".join(map(str, fast)), ", ".join(str(s) for s in SIZES if s not in fast)), newer_fast)
          for name in ("K21", "N37")),
        Verdict("K22", REFUTED if not inside and not base["locks"] else CONFIRMED if inside == fast and base["locks"] else
                DEPENDS, "copied within, atomically", "after the call the caller writes %s; locked instructions: %d" % (
                    ", ".join("%d of %d bytes" % (own[str(s)]["writes"], s) if own[str(s)]["writes"] else
                              "%d bytes by %s" % (s, own[str(s)]["copy"]) for s in copied), base["locks"]),
                "in C, stores through the slot of classic and of gomap: %d calls of memcpy, %d locked instructions; lookups that "
                "compare vector lanes: gomap %d of %d, classic's 8-byte path %d" % c_summary(data["c"]))]


def tables(data):
    go = [(version, level, b["functions"], b["instructions"], sum(sum(ops.values()) for ops in b["lanes"].values()),
           b["access"]["instructions"], ", ".join(b["access"]["same as"]) or "-")
          for version, levels in data["go"].items() for level, b in levels.items()]
    lanes = [(version, level, name, " ".join("%s:%d" % op for op in ops.items()))
             for version, levels in data["go"].items() for level, b in levels.items() for name, ops in b["lanes"].items()]
    stores = [(version, size, s["calls"], s["writes"], s["copy"] or "-") for version, levels in data["go"].items()
              for size, s in next(iter(levels.values()))["stores"].items()]
    shapes = [(version, name, s["size"], ", ".join("%s at %d" % f for f in s["fields"].items()))
              for version, levels in data["go"].items() for name, s in sorted(next(iter(levels.values()))["structs"].items())]
    c = [(name, f["instructions"], f["lanes"], f["locks"], f["memcpy"]) for name, f in sorted(data["c"].items())]
    return [Table("Go's map functions", ["toolchain", "GOAMD64", "functions", "instructions", "on vector lanes",
                                         "mapaccess1_fast64", "its listing is that of"], go),
            Table("Instructions on vector lanes", ["toolchain", "GOAMD64", "function", "instructions"], lanes),
            Table("m[key] = value, by size of the value", ["toolchain", "bytes", "calls", "bytes written by the caller",
                                                           "copies by"], stores),
            Table("Structs in the debug information", ["toolchain", "struct", "bytes", "fields"], shapes),
            Table("The same in C", ["function", "instructions", "on vector lanes", "locked", "calls of memcpy"], c,
                  "gomap_store*, gomap_load*: gomap/typed.h, inlined; classic_store*: the slot from gomap_classic_assign")]


def plots(_):
    return []
