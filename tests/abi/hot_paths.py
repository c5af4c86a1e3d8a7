#!/usr/bin/env python3
"""hot_paths.py CC... -- INCLUDE SOURCE LIBRARY - what the machine does on a lookup and an insert, read off its code.

Compiles hot_paths.c with each compiler at -O2 and -O3, disassembles it with objdump, builds the control flow of each
function, and looks at its straight paths: those from entry to return that make no call.  It asks for properties, not
for instructions in an order:

  lookup   a straight path hashes (AES rounds, or multiplies), makes one vector compare for the home group, returns;
           on no straight path a write to memory other than the stack, a locked instruction, a variable of the
           process or the thread (a counter, a switch for observation), a field of the map's second line that is there
           for writers or readers outside: all it reads are the table, the header's first 64 bytes, the other geometry
           of a table that grows or shrinks, and constants
  insert   the same path to its end, with at most two vector compares (this hash, an empty slot)
  delete   the same with one

In the shared library it follows every call that gomap_get can make, but for the reports of misuse, and asks that no
instruction on the way is locked or reads a variable that could ever be written.

Sources that break one rule each (BREAK in hot_paths.c) show that the analysis sees it.  TAP; exit code 77 with a
reason where there is nothing to look at (no x86-64, no objdump).
"""
import heapq
import platform
import re
import shutil
import subprocess
import sys
import tempfile

LINE = re.compile(r"^\s*([0-9a-f]+):\s+(.*?)\s*$")
HEAD = re.compile(r"^([0-9a-f]+) <(.+)>:$")
RELOC = re.compile(r"\s[0-9a-f]+: R_X86_64_\w+\s+(\S+)")
TARGET = re.compile(r"^([0-9a-f]+) <([^>+]+)(?:\+0x[0-9a-f]+)?>")
PREFIXES = {"lock", "rep", "repz", "repnz", "bnd", "notrack", "data16", "cs", "ds", "rex.W"}
# Registers are read only.
NO_WRITE = re.compile(r"^(cmp|test|bt[wlq]?$|push|j|prefetch|nop|call)")
# Reads of memory only, whatever their last operand is.
NO_STORE = re.compile(r"^(v?u?comis[sd]|cmp|test|bt[wlq]?$|push|call|j|prefetch|nop|lea|mul|imul|div|v?pcmp)")
STRAIGHT_MAX = 80  # instructions of a shortest straight path: 47 to 57 for a lookup, 64 to 71 for an insert when this was set


class Instruction:
    def __init__(self, at, text):
        reloc = RELOC.search(text)
        self.at, self.symbol = at, reloc[1] if reloc else None
        words = text.split("#")[0].split()
        self.comment = text.split("#")[1].strip() if "#" in text else ""
        self.locked = words[0] == "lock"
        while len(words) > 1 and words[0] in PREFIXES:
            words.pop(0)
        self.op, self.args = words[0], " ".join(words[1:])
        if self.op.startswith("xchg") and "(" in self.args:
            self.locked = True  # xchg with memory locks without saying so

    def __str__(self):
        return "%x: %s %s" % (self.at, self.op, self.args)

    @property
    def is_return(self):
        return self.op in ("ret", "retq")

    @property
    def is_jump(self):
        return self.op.startswith("j")

    @property
    def target(self):
        """(address, function) of a direct jump or call; an unresolved one (a relocation) has no address."""
        if self.symbol:
            return None, re.split(r"[-+]0x", self.symbol)[0]
        m = TARGET.match(self.args)
        return (int(m[1], 16), m[2]) if m else (None, self.args)

    def stores(self):
        """The operand this writes to memory, or None."""
        if self.op.startswith("push"):
            return "(%rsp)"
        parts = re.split(r",(?![^(]*\))", self.args)
        if self.is_jump or NO_STORE.match(self.op) or "(" not in parts[-1]:
            return None
        return parts[-1]


def disassemble(path):
    """{function: [Instruction]} of an object or library."""
    text = subprocess.run(["objdump", "-d", "-r", "-w", "--no-show-raw-insn", path], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    functions, code = {}, None
    for line in text.splitlines():
        head, at = HEAD.match(line), LINE.match(line)
        if head:
            code = functions.setdefault(head[2], [])
        elif at and code is not None:
            code.append(Instruction(int(at[1], 16), at[2]))
    return functions


def weigh(i):
    """What an instruction adds to a path: vector compares, AES rounds, multiplies."""
    return ("pcmpeqb" in i.op, i.op in ("aesenc", "vaesenc"), bool(re.match(r"mulx?[lq]?$", i.op)))


class Flow:
    """The instructions of one function that lie on a path from entry to return without a call."""

    def __init__(self, functions, name):
        self.code = {i.at: i for i in functions[name]}
        order = sorted(self.code)
        follow = dict(zip(order, order[1:]))
        self.entry, self.next = order[0], {}
        for at, i in self.code.items():
            goes = []
            if i.is_jump:
                goes.append(i.target[0])
            if not i.is_return and not i.op.startswith(("call", "jmp", "ud2", "hlt")):
                goes.append(follow.get(at))
            self.next[at] = [g for g in goes if g in self.code]  # a jump out of the function is a call
        self.straight = self.reach([self.entry], self.next) & self.reach(
            [at for at, i in self.code.items() if i.is_return], self.back())

    def back(self):
        back = {at: [] for at in self.code}
        for at, goes in self.next.items():
            for g in goes:
                back[g].append(at)
        return back

    @staticmethod
    def reach(start, edges):
        seen, todo = set(start), list(start)
        while todo:
            for n in edges[todo.pop()]:
                if n not in seen:
                    seen.add(n)
                    todo.append(n)
        return seen

    def instructions(self):
        return [self.code[at] for at in sorted(self.straight)]

    def holding(self, register):
        """{address: registers that may hold there what `register` held on entry}"""
        holds, todo = {self.entry: {register}}, [self.entry]
        while todo:
            at = todo.pop()
            i, now = self.code[at], set(holds[at])
            parts = [wide(p) for p in re.split(r",(?![^(]*\))", i.args)]
            if i.op in ("mov", "movq") and len(parts) == 2 and parts[0] in now and "(" not in parts[1]:
                now.add(parts[1])
            elif not NO_WRITE.match(i.op):
                now.discard(parts[-1])
            for n in self.next[at]:
                if not now <= holds.get(n, set()) or n not in holds:
                    holds[n] = holds.get(n, set()) | now
                    todo.append(n)
        return holds

    def paths(self):
        """{(compares, AES rounds, multiplies): instructions of the shortest straight path}; counts saturate at 4."""
        start = (self.entry, (0, 0, 0))
        best, todo, found = {start: 0}, [(0, start)], {}
        while todo:
            length, (at, had) = heapq.heappop(todo)
            if best[(at, had)] < length or at not in self.straight:
                continue
            i = self.code[at]
            had = tuple(min(4, a + b) for a, b in zip(had, weigh(i)))
            if i.is_return:
                found[had] = min(found.get(had, length + 1), length + 1)
            for n in self.next[at]:
                state = (n, had)
                if best.get(state, length + 2) > length + 1:
                    best[state] = length + 1
                    heapq.heappush(todo, (length + 1, state))
        return found


def on_stack(operand):
    return bool(re.search(r"\(%rsp", operand))


def wide(register):
    """%eax, %al -> %rax"""
    short = re.fullmatch(r"%(?:e|r)?([a-d])[xlh]|%(?:e|r)?([sd]i|[sb]p)l?|%(r\d+)[dwb]?", register)
    if not short:
        return register
    return "%r" + short[1] + "x" if short[1] else "%r" + short[2] if short[2] else "%" + short[3]


# struct gomap from count to epoch: what lookups have no business with.  Behind it: mode, hash_kind.  Among it: side, whose
# first line has the other geometry of a table that is growing or shrinking.
SIDE = 0x60
UNREAD = set(range(0x40, 0x78)) - {SIDE}


def header_reads(flow):
    """Straight instructions that read such a field of the map, the first argument."""
    holds, found = flow.holding("%rdi"), []
    for i in flow.instructions():
        for offset, base in re.findall(r"(0x[0-9a-f]+)\((%\w+)\)", i.args):
            if int(offset, 16) in UNREAD and base in holds.get(i.at, ()):
                found.append("reads the map's second line: %s" % i)
    return found


def outside(i):
    """What an instruction reads or writes that belongs to the process or the thread, but for constants; None: nothing."""
    if re.search(r"%[fg]s:", i.args):
        return "thread-local memory"
    if "%rip" not in i.args or i.op.startswith(("call", "j")):
        return None
    name = i.symbol or i.comment
    return None if name.startswith((".rodata", ".LC", "gomap__tagword")) else name


def check(functions, name, compares, pure):
    """Findings about one function (none: all is well), and a line that says what its straight paths are."""
    flow, findings = Flow(functions, name), []
    paths = {p: n for p, n in flow.paths().items() if p[1] or p[2]}  # without a hash: a NULL map, a refusal
    for p in paths:
        if not (p[1] >= 2 or p[2] >= 3):
            findings.append("a straight path looks at the table without hashing: %s" % (p,))
    least = min((p[0] for p in paths), default=None)
    if least is None:
        findings.append("there is no straight path: each one makes a call")
    elif least != 1:
        findings.append("the shortest straight path makes %d vector compares, wanted 1" % least)
    for p, n in paths.items():
        if p[0] == least and n > STRAIGHT_MAX:
            findings.append("a straight path has %d instructions, more than %d" % (n, STRAIGHT_MAX))
    aes = [n for p, n in paths.items() if p[1] >= 2 and p[0] <= compares]
    mum = [n for p, n in paths.items() if p[2] >= 3 and p[0] <= compares]
    for kind, there in (("AES rounds", aes), ("multiplies", mum)):
        if paths and not there:
            findings.append("no straight path that hashes with %s and makes at most %d vector compares" % (kind, compares))
    for i in flow.instructions():
        if i.locked or i.op in ("mfence", "sfence", "lfence"):
            findings.append("locked: %s" % i)
        if outside(i):
            findings.append("uses %s: %s" % (outside(i), i))
        if pure and i.stores() and not on_stack(i.stores()):
            findings.append("writes: %s" % i)
    if pure:
        findings += header_reads(flow)
    return findings, "shortest straight path: %s instructions with AES, %s with multiplies" % (
        min(aes, default="no"), min(mum, default="no"))


# What hot_paths.c holds: function, vector compares allowed, does it only read?
HOT = [("hot_get_u64", 1, True), ("hot_get_u32", 1, True), ("hot_has_u64", 1, True), ("hot_put_u64", 2, False),
       ("hot_delete_u64", 1, False)]
# BREAK=N: a word of the finding it must cause
BROKEN = {1: "writes", 2: "locked", 3: "lookups_seen", 4: "no straight path", 5: "thread-local", 6: "vector compares",
          7: "second line"}


def compile_with(compiler, level, include, source, out, broken=0):
    subprocess.run(compiler.split() + [level, "-g0", "-fPIC", "-fno-lto", "-ftls-model=local-exec", "-I", include, "-c", source, "-o", out,
                                       "-DBREAK=%d" % broken], check=True)
    return disassemble(out)


def sections(path):
    """[(name, first address, end, can it be written)]"""
    text = subprocess.run(["readelf", "-S", "-W", path], check=True, text=True, stdout=subprocess.PIPE).stdout
    found = re.findall(r"\] (\.\S+)\s+\S+\s+([0-9a-f]+)\s+\S+\s+([0-9a-f]+)\s+\S+\s+([A-Za-z]*)", text)
    return [(n, int(a, 16), int(a, 16) + int(s, 16), "W" in f) for n, a, s, f in found if int(a, 16)]


# Where a call ends that should not have been made.
MISUSE = re.compile(r"gomap__(read_ok_slow|misuse|typed_misuse|write_begin_slow)")


def check_library(path, entry):
    """All code that a lookup in the library can reach: findings, and what was looked at."""
    functions, findings, seen, todo = disassemble(path), [], set(), [entry]
    writable = [s for s in sections(path) if s[3] and s[0] != ".data.rel.ro"]
    while todo:
        name = todo.pop()
        if name in seen or MISUSE.match(name) or name.endswith("@plt") or name not in functions:
            continue
        seen.add(name)
        for i in functions[name]:
            if i.locked:
                findings.append("%s: locked: %s" % (name, i))
            if re.search(r"%[fg]s:(?!0x28)", i.args):  # 0x28: the stack protector of hardened builds
                findings.append("%s: thread-local memory: %s" % (name, i))
            called = i.op.startswith(("call", "j"))
            at = re.match(r"([0-9a-f]+) <", i.comment)
            for s in writable:
                if at and not called and s[1] <= int(at[1], 16) < s[2]:
                    findings.append("%s: uses a variable, %s: %s" % (name, i.comment, i))
            if called and "<" in i.args:
                todo.append(TARGET.match(i.args)[2])
    return findings, "%d functions" % len(seen)


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def point(self, what, findings, note=""):
        self.n += 1
        self.failed += bool(findings)
        print("%sok %d - %s" % ("not " if findings else "", self.n, what))
        for f in findings:
            print("#   " + f)
        if note:
            print("# %s: %s" % (what, note))


def skip(why):
    print("SKIP: " + why)
    sys.exit(77)


def main():
    split = sys.argv.index("--")
    compilers, (include, source, library) = sys.argv[1:split], sys.argv[split + 1:]
    if platform.machine() != "x86_64":
        skip("reads x86-64 code, this machine is %s" % platform.machine())
    if not shutil.which("objdump"):
        skip("objdump is not installed")
    compilers = [c for c in compilers if shutil.which(c.split()[0])]
    print("1..%d" % (len(compilers) * (2 * len(HOT) + len(BROKEN)) + 2))
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        out = folder + "/hot.o"
        for compiler in compilers:
            for level in ("-O2", "-O3"):
                functions = compile_with(compiler, level, include, source, out)
                for name, compares, pure in HOT:
                    tap.point("%s %s %s" % (compiler, level, name), *check(functions, name, compares, pure))
            for broken, word in BROKEN.items():
                found, _ = check(compile_with(compiler, "-O2", include, source, out, broken), "hot_get_u64", 1, True)
                tap.point("%s: the analysis sees '%s'" % (compiler, word),
                          [] if any(word in f for f in found) else ["BREAK=%d went unseen: %s" % (broken, found)])
        tap.point("gomap_get and all it calls", *check_library(library, "gomap_get"))
        found = " ".join(check_library(library, "gomap_new")[0])
        tap.point("the analysis sees variables and locks in gomap_new",
                  [w + " went unseen" for w in ("uses a variable", "locked") if w not in found])
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
