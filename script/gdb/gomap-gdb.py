"""gomap-gdb.py - maps of gomap in gdb, of live processes and core files.

    (gdb) source gomap-gdb.py           or installed, where gdb loads it with libgomap.so by itself
    (gdb) print map                     what a map is, and its entries (`set print elements` limits them)
    (gdb) gomap-list                    every map of the process
    (gdb) gomap-group MAP N             the quad of group N: its tophash bytes and slots
    (gdb) gomap-watch-growth MAP        a backtrace whenever a growth or shrink begins

MAP is an expression (a variable, an address) or the name or id of a map in the list.

It reads what gomap/inspect.h freezes, version 1, by offsets of its own: the library needs no debug information and may
be stripped, as long as its dynamic symbols are there (gomap-list starts from one). Sizes are compared with
those that the process states. Keys and values are shown by the C type they were declared with where the program's
debug information knows it, else as numbers or bytes.
"""
import ctypes
import re

import gdb

U8, U32, U64 = ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64
COOKIE, COOKIE_STASH = 0x314D6F47, 0x534D6F47
GROUP_SLOTS, NODE_SLOTS, CHUNK_ENTRIES = 15, 4, 254
EMPTY, SMALL, BLOCK, RANGE = range(4)
MODES = ("empty", "small", "block", "range")
HASHES = ("multiplies", "AES", "SipHash", "the user's hash")
F_STR, F_KEY_INDIRECT, F_VAL_INDIRECT = 1, 4, 8
STEP = 1024  # groups whose metadata is read at once


def layout(name, fields):
    """A struct of inspect.h: 'type field field; type field': u8, u32, u64 (pointers too), u64[4]."""
    made = []
    for part in fields.split(";"):
        kind, names = part.split(None, 1)
        base, count = re.fullmatch(r"(\w+?)(?:\[(\d+)\])?", kind).groups()
        of = {"u8": U8, "u32": U32, "u64": U64}[base]
        made += [(n, of * int(count) if count else of) for n in names.replace(",", " ").split()]
    return type(name, (ctypes.LittleEndianStructure,), {"_fields_": made})


Map = layout("Map", "u64 split ngroups meta slots; u64[4] seed; u64 count limit links desc side id; u32 seq epoch;"
                    "u8 mode hash_kind cap writing; u32 cookie")
Desc = layout("Desc", "u32 size flags key_size key_align val_size val_align slot_size slot_key_size val_off slot_val_size"
                      " node_off node_size slot_align key_class; u64 key_name val_name site; u64[7] functions; u64 next")
Side = layout("Side", "u32 size walk; u64 moves lo_ngroups lo_meta lo_slots lo_links walk_done walk_total lo_bytes hi_bytes"
                      " grow_at grow_groups delete_floor range_base range_bytes nodes chained arena_bytes cell_bytes"
                      " string_bytes node_bytes loose_bytes stash flood flood_count name created_ns last_write_ns;"
                      "u64[12] counters")
Node = layout("Node", "u64 next; u8[4] tag; u8[4] unused")
Flood = layout("Flood", "u64 next prev serial hash")
StrKey = layout("StrKey", "u64 ptr; u32 len hash_hi")
Entry = layout("Entry", "u64 map; u32 gen kind")
Head = layout("Head", "u64 next; u32 base used")  # of a chunk; CHUNK_ENTRIES entries follow
Root = layout("Root", "u8[16] magic; u32 version size pointer_bytes map_size side_size desc_size node_size chunk_size"
                      " event_size chunk_entries pid_started unused; u64 self chunks")


def memory(at, n):
    return gdb.selected_inferior().read_memory(at, n).tobytes() if n else b""


def read(kind, at):
    return kind.from_buffer_copy(memory(at, ctypes.sizeof(kind)))


def text(at, most=200):
    return gdb.Value(at).cast(gdb.lookup_type("char").pointer()).string(errors="replace", length=-1)[:most] if at else None


def align(n, to):
    return (n + to - 1) // to * to


class NotAMap(gdb.GdbError):
    pass


class Table:
    """One map as it stands in memory."""

    def __init__(self, at, cookie=COOKIE):
        self.at = at
        try:
            self.m = read(Map, at)
        except gdb.MemoryError:
            raise NotAMap("0x%x: cannot be read" % at)
        if self.m.cookie != cookie:
            raise NotAMap("0x%x: not a live map" % at)
        self.d = read(Desc, self.m.desc)
        self.side = read(Side, self.m.side) if self.m.side else Side()

    @property
    def name(self):
        return text(self.side.name)

    @property
    def label(self):
        return self.name or self.made()

    def made(self):
        return "%s->%s@%s" % (text(self.d.key_name), text(self.d.val_name), text(self.d.site) or "?")

    @property
    def slot_count(self):
        return {EMPTY: 0, SMALL: self.m.cap}.get(self.m.mode, self.m.ngroups * GROUP_SLOTS)

    def state(self):
        what = MODES[self.m.mode & 3]
        if self.side.walk:
            what += ", %s: %d of %d quads" % ("growing" if self.side.walk == 1 else "shrinking",
                                              self.side.walk_done, self.side.walk_total)
        if self.side.chained:
            what += ", %d in chains" % self.side.chained
        if self.m.seq & 1:
            what += ", in the middle of a step"
        return what

    def title(self):
        load = self.m.count / self.slot_count if self.slot_count else 0
        return "gomap %s%s: %d entries, %d slots, load %.2f, %s, hash: %s" % (
            self.name + ", " if self.name else "", self.made(), self.m.count, self.slot_count, load, self.state(),
            HASHES[self.m.hash_kind & 3])

    # ---- slots ----

    def arrays(self):
        """(metadata, slots, links, first group, end) of each array: a walk between two allocations has two, and what it
        has not come to is not even zeroed."""
        two = self.side.walk and self.side.lo_meta != self.m.meta
        if self.m.mode != EMPTY:
            first = (self.m.split * self.m.ngroups >> 64) // 4 * 4 if two else 0
            yield self.m.meta, self.m.slots, self.m.links, first, self.m.ngroups
        if two and self.m.split:
            end = ((self.m.split - 1) * self.side.lo_ngroups >> 64) // 4 * 4 + 4
            yield self.side.lo_meta, self.side.lo_slots, self.side.lo_links, 0, min(end, self.side.lo_ngroups)

    def slots(self):
        """Addresses of all occupied slots, those of chains and of the stash included."""
        links = set()
        for meta, slots, base, start, end in self.arrays():
            for first in range(start, end, STEP):
                n = min(STEP, end - first)
                tops = memory(meta + first * 16, n * 16)
                for i, top in enumerate(tops):
                    if top and i % 16 < GROUP_SLOTS:
                        yield slots + ((first + i // 16) * GROUP_SLOTS + i % 16) * self.d.slot_size
            if base and base not in links and self.side.chained:
                links.add(base)
                words = memory(base + start // 4 * 8, (end - start + 3) // 4 * 8)
                for i in range(0, len(words), 8):
                    for _, slot in self.chain(int.from_bytes(words[i:i + 8], "little")):
                        yield slot
        at = self.side.flood
        while at:
            yield at + align(ctypes.sizeof(Flood), self.d.slot_align)
            at = read(Flood, at).next
        if self.side.stash:
            yield from Table(self.side.stash, COOKIE_STASH).slots()

    def chain(self, link):
        """(tophash, slot) of the entries in a quad's chain."""
        at = link & ~1
        while at:
            node = read(Node, at)
            for i, top in enumerate(node.tag):
                if top:
                    yield top, at + self.d.node_off + i * self.d.slot_size
            at = node.next

    def key(self, slot):
        if self.d.flags & F_STR:
            k = read(StrKey, slot)
            return '"%s"' % memory(k.ptr, k.len).decode("utf-8", "backslashreplace")
        at = int.from_bytes(memory(slot, 8), "little") if self.d.flags & F_KEY_INDIRECT else slot
        return shown(text(self.d.key_name), memory(at, self.d.key_size))

    def value(self, slot):
        at = slot + self.d.val_off
        if self.d.flags & F_VAL_INDIRECT:
            at = int.from_bytes(memory(at, 8), "little")
        return shown(text(self.d.val_name), memory(at, self.d.val_size))


def shown(name, data):
    """A key or value: by its C type if that is known here and fits, else as a number or as bytes."""
    try:
        stars = len(name) - len(name.rstrip("* "))
        kind = gdb.lookup_type(name[:len(name) - stars] if stars else name)
        for _ in range(name[len(name) - stars:].count("*") if stars else 0):
            kind = kind.pointer()
        if kind.sizeof == len(data):
            return gdb.Value(data, kind)
    except gdb.error:
        pass
    if len(data) in (1, 2, 4, 8):
        return int.from_bytes(data, "little")
    return "bytes " + data.hex(" ")


# ---- print -----------------------------------------------------------------------------------------


def summary():
    """Is a value printed in passing, as the argument of a function in a backtrace? (gdb 13 tells)"""
    return hasattr(gdb, "print_options") and gdb.print_options().get("summary", False)


class MapPrinter:
    def __init__(self, at):
        try:
            self.table, self.bad = Table(at), None
        except NotAMap as why:
            self.table, self.bad = None, str(why)

    def to_string(self):
        return self.bad or ("gomap " + self.table.label if summary() else self.table.title())

    def display_hint(self):
        return "map" if self.table and self.table.d.val_size else "array"

    def children(self):
        if not self.table or summary():
            return
        for i, slot in enumerate(self.table.slots()):
            yield "key %d" % i, self.table.key(slot)
            if self.table.d.val_size:
                yield "value %d" % i, self.table.value(slot)


def find_printer(value):
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR and int(value):
        kind, at = kind.target().strip_typedefs(), int(value)
    else:
        at = int(value.address) if kind.tag == "gomap" and value.address is not None else 0
    return MapPrinter(at) if kind.code == gdb.TYPE_CODE_STRUCT and kind.tag == "gomap" and at else None


find_printer.__name__ = "gomap"
gdb.pretty_printers[:] = [p for p in gdb.pretty_printers if getattr(p, "__name__", "") != "gomap"] + [find_printer]

# ---- the registry ----------------------------------------------------------------------------------


def root():
    try:
        at = int(gdb.parse_and_eval("(unsigned long)&gomap_inspect_root_1"))
    except gdb.error:
        raise gdb.GdbError("no symbol gomap_inspect_root_1: no gomap in this program, or one without dynamic symbols")
    r = read(Root, at)
    if bytes(r.magic).rstrip(b"\0") != b"gomap.inspect":
        raise gdb.GdbError("0x%x is no root of gomap" % at)
    sizes = (r.map_size, r.side_size, r.desc_size, r.node_size, r.chunk_entries, r.pointer_bytes)
    ours = tuple(map(ctypes.sizeof, (Map, Side, Desc, Node))) + (CHUNK_ENTRIES, 8)
    if r.version != 1 or sizes != ours:
        raise gdb.GdbError("layout %d of gomap with sizes %s: this script knows layout 1 with %s" % (r.version, sizes, ours))
    return r


def registered():
    """(address, kind) of every map in the registry."""
    at, seen = root().chunks, set()
    while at and at not in seen:
        seen.add(at)
        head = read(Head, at)
        for e in read(Entry * CHUNK_ENTRIES, at + ctypes.sizeof(Head)):
            if e.map > 1:  # 1: just being registered
                yield e.map, e.kind
        at = head.next


def find_map(argument):
    """The map that an argument names: an expression, or a name or id in the list."""
    argument = argument.strip()
    if not argument:
        raise gdb.GdbError("which map? An expression, or a name or id of gomap-list")
    for at, kind in registered():
        if kind:
            continue
        table = Table(at)
        if argument in (str(table.m.id & 0xFFFFFFFF), table.label):
            return table
    try:
        value = gdb.parse_and_eval(argument)
    except gdb.error as why:
        raise gdb.GdbError("%s No map in the list has that name or id." % why)
    return Table(int(value.address if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT else value))


class List(gdb.Command):
    """gomap-list: every map in the process's registry."""

    def __init__(self):
        super().__init__("gomap-list", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print("%4s %-18s %10s %10s %5s  %s" % ("id", "address", "entries", "slots", "load", "map"))
        for at, kind in registered():
            if kind:
                print("%4s 0x%-16x %s" % ("-", at, "a map of kind %d, which this script does not read" % kind))
                continue
            t = Table(at)
            print("%4d 0x%-16x %10d %10d %5.2f  %s (%s)" % (
                t.m.id & 0xFFFFFFFF, at, t.m.count, t.slot_count, t.m.count / t.slot_count if t.slot_count else 0,
                t.label, t.state()))


class Group(gdb.Command):
    """gomap-group MAP N: the quad of group N, with its tophash bytes (.. is an empty slot), overflow bytes (a bit for each
eighth of the hashes of which an entry had to go elsewhere), slots, and chain."""

    def __init__(self):
        super().__init__("gomap-group", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        try:
            which, number = argument.rsplit(None, 1)
            number = int(number, 0)
        except ValueError:
            raise gdb.GdbError("usage: gomap-group MAP N")
        t = find_map(which)
        if t.m.mode == EMPTY or not 0 <= number < t.m.ngroups:
            raise gdb.GdbError("%s has groups 0 to %d" % (t.label, t.m.ngroups - 1) if t.m.mode else t.label + " has no table")
        for group in range(number & ~3, min((number | 3) + 1, t.m.ngroups)):
            self.group(t, group)
        if t.m.links:
            link = int.from_bytes(memory(t.m.links + number // 4 * 8, 8), "little")
            for top, slot in t.chain(link):
                print("  chain  %02x  %s" % (top, self.entry(t, slot)))
            if link & 1:
                print("  entries of this quad are in the stash")

    def group(self, t, group):
        tops = memory(t.m.meta + group * 16, 16)
        size = t.m.cap if t.m.mode == SMALL else GROUP_SLOTS
        print("group %d  tophash %s  overflow %02x" % (group, " ".join("%02x" % b if b else ".." for b in tops[:size]), tops[15]))
        for i in range(size):
            if tops[i]:
                slot = t.m.slots + (group * GROUP_SLOTS + i) * t.d.slot_size
                print("  slot %2d  %02x  %s" % (i, tops[i], self.entry(t, slot)))

    @staticmethod
    def entry(t, slot):
        return "%s = %s" % (t.key(slot), t.value(slot)) if t.d.val_size else str(t.key(slot))


# ---- growth ----------------------------------------------------------------------------------------


class Growth(gdb.Breakpoint):
    """A watchpoint on where a map's table is and how many groups it has."""

    def __init__(self, table):
        # ngroups and meta lie side by side
        super().__init__("*(unsigned long (*)[2])0x%x" % (table.at + Map.ngroups.offset), gdb.BP_WATCHPOINT, gdb.WP_WRITE,
                         internal=True)
        self.silent = True
        self.map, self.was, self.seen = table.at, table.slot_count, None

    def stop(self):
        m = read(Map, self.map)
        if m.cookie != COOKIE:
            print("the map at 0x%x was freed" % self.map)
            self.enabled = False
            return False
        if m.seq | 1 == self.seen:  # the second store of the same change
            return False
        self.seen = m.seq | 1
        t = Table(self.map)
        print("%s changes its table at %d entries: %d slots become %s" % (
            t.label, m.count, self.was, t.slot_count if t.slot_count != self.was else "others"))
        print(gdb.execute("backtrace", to_string=True), end="")
        self.was = t.slot_count
        return False


class WatchGrowth(gdb.Command):
    """gomap-watch-growth MAP: print a backtrace whenever a growth or shrink of MAP begins, and go on."""

    def __init__(self):
        super().__init__("gomap-watch-growth", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, from_tty):
        table = find_map(argument)
        Growth(table)
        print("watching %s" % table.label)


List()
Group()
WatchGrowth()
