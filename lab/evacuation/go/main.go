// evacuation asks Go's classic map the questions of ../states.c, and answers under the same names; and any Go's map two
// more.
//
//	evacuation states SEED MOST    the header and buckets at the turning points of a growth
//	evacuation loads               entries of a table of Go 1.24 and later when it grows
//	evacuation callers N           which functions of the runtime allocate while a map grows to N entries
//
// The key and elem types are in no map type of the program, so reflect.MapOf makes one on the heap, and its hash function
// can be replaced by one that is known here.  A Go whose map is another one only says so.
package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const flagSameSize = 8

// table is a map's header, and what is asked of it here alone.
type table struct{ gokit.Classic }

func (h *table) sameSize() bool { return h.Flags&flagSameSize != 0 }
func (h *table) oldCount() uint64 {
	if h.sameSize() {
		return 1 << h.B
	}
	return 1 << (h.B - 1)
}

func (h *table) evacuatedBuckets() (n int) {
	for i := uint64(0); h.Growing() && i < h.oldCount(); i++ {
		if gokit.At(h.Oldbuckets, i).Evacuated() {
			n++
		}
	}
	return
}

// visit calls f for every bucket of an array of n, and how deep in its chain it is.
func visit(array unsafe.Pointer, n uint64, f func(i uint64, depth int, b *gokit.Bucket)) {
	for i := uint64(0); array != nil && i < n; i++ {
		depth := 0
		for b := gokit.At(array, i); b != nil; b = b.Overflow {
			f(i, depth, b)
			depth++
		}
	}
}

func contents(array unsafe.Pointer, n uint64) (entries, overflows int) {
	visit(array, n, func(_ uint64, depth int, b *gokit.Bucket) {
		if depth > 0 {
			overflows++
		}
		for _, top := range b.Tops {
			if top >= gokit.MinTopHash {
				entries++
			}
		}
	})
	return
}

func loadLimit(b uint) uint64 { // entries that a table of 2^b buckets takes before it doubles, as this Go has it
	if strings.HasPrefix(runtime.Version(), "go1.21") {
		return 6 << b
	}
	return 13 << b / 2
}

// ---- a map whose hash function we know ----

type (
	stateKey  uint64
	stateElem uint64
	ptrElem   *byte
)

type subject struct {
	v reflect.Value
	h *table
}

var (
	seed      uint64
	hashCalls int
	inHash    func() // called from inside the hash function
)

func countedHash(p unsafe.Pointer, hash0 uintptr) uintptr {
	hashCalls++
	if inHash != nil {
		inHash()
	}
	return uintptr(gokit.Mix(*(*uint64)(p) ^ gokit.Mix(uint64(uint32(hash0)))))
}

func newSubject(hint int) subject {
	t := reflect.MapOf(reflect.TypeOf(stateKey(0)), reflect.TypeOf(stateElem(0)))
	*gokit.HashOf(t) = countedHash
	v := reflect.MakeMapWithSize(t, hint)
	return subject{v, (*table)(v.UnsafePointer())}
}

func key(i uint64) reflect.Value { return reflect.ValueOf(stateKey(gokit.Key(seed, i))) }
func (s subject) put(i uint64)   { s.v.SetMapIndex(key(i), reflect.ValueOf(stateElem(i))) }
func (s subject) del(i uint64)   { s.v.SetMapIndex(key(i), reflect.Value{}) }
func (s subject) has(i uint64) bool {
	v := s.v.MapIndex(key(i))
	return v.IsValid() && v.Uint() == i
}
func (s subject) lost(n uint64) (lost int) {
	for i := uint64(0); i < n; i++ {
		if !s.has(i) {
			lost++
		}
	}
	return
}

func justGrowing(b uint) (subject, uint64) {
	s, n := newSubject(int(loadLimit(b))), uint64(0)
	for ; !s.h.Growing(); n++ {
		gokit.Must(s.h.B == uint8(b), "the map grew before its time")
		s.put(n)
	}
	return s, n
}

// ---- the questions ----

func firstInsert() gokit.Answer {
	s := newSubject(0)
	before := s.h.Buckets != nil
	s.put(0)
	return gokit.Answer{"buckets_before": before, "buckets_after": s.h.Buckets != nil, "B": s.h.B,
		"nevacuate": s.h.Nevacuate, "oldbuckets": s.h.Growing()}
}

func doublings() (list [][2]uint64) {
	s := newSubject(0)
	for i := uint64(0); i < 110000; i++ {
		b := s.h.B
		s.put(i)
		if s.h.B != b {
			list = append(list, [2]uint64{uint64(b), i + 1})
		}
	}
	return
}

func start() gokit.Answer {
	limit := loadLimit(8)
	s := newSubject(int(limit))
	for i := uint64(0); i < limit; i++ {
		s.put(i)
	}
	former := s.h.Buckets
	s.put(limit)
	oldEntries, _ := contents(s.h.Oldbuckets, s.h.oldCount())
	newEntries, _ := contents(s.h.Buckets, 1<<s.h.B)
	return gokit.Answer{"old_is_former": s.h.Oldbuckets == former, "new_is_former": s.h.Buckets == former,
		"entries_old": oldEntries, "entries_new": newEntries, "evacuated": s.h.evacuatedBuckets()}
}

func sameSizeGrowing() (s subject, oldest, next uint64, overflows uint16) {
	s = newSubject(int(loadLimit(8)))
	for ; next < 800; next++ {
		s.put(next)
	}
	for ; !s.h.Growing(); next++ {
		s.del(oldest)
		overflows = s.h.Noverflow
		s.put(next)
		oldest++
		gokit.Must(next < 10000000, "no growth to the same size came")
	}
	return
}

func sameSize() gokit.Answer {
	s, oldest, _, overflows := sameSizeGrowing()
	a := gokit.Answer{"flag": s.h.sameSize(), "B": s.h.B, "entries": s.h.Count, "overflows_before": overflows}
	calls, writes := hashCalls, 0
	for ; s.h.Growing(); writes++ {
		s.put(oldest + uint64(writes))
	}
	_, left := contents(s.h.Buckets, 1<<s.h.B)
	a["rehashed"], a["B_after"], a["overflows_after"] = hashCalls-calls-writes, s.h.B, left
	return a
}

func finishOne(s subject, i uint64) gokit.Answer {
	a := gokit.Answer{"same_size": s.h.sameSize(), "old_buckets": s.h.oldCount()}
	advances, after := 0, 0
	var inside uintptr
	inHash = func() { inside = s.h.Nevacuate }
	for ; s.h.Growing(); i++ {
		inside = ^uintptr(0)
		s.put(i)
		if inside != s.h.Nevacuate {
			advances++
			if inside < s.h.Nevacuate {
				after++
			}
		}
	}
	inHash = nil
	a["B"], a["nevacuate"], a["advances"], a["advanced_after_moving"] = s.h.B, s.h.Nevacuate, advances, after
	return a
}

func finish() []gokit.Answer {
	doubling, _ := justGrowing(8)
	same, oldest, _, _ := sameSizeGrowing()
	return []gokit.Answer{finishOne(doubling, 0), finishOne(same, oldest)}
}

// The old chains are looked at before the growth, the halves after it.
func split() gokit.Answer {
	limit := loadLimit(8)
	s := newSubject(int(limit))
	for i := uint64(0); i < limit; i++ {
		s.put(i)
	}
	home := map[uint64]uint64{}
	visit(s.h.Buckets, 1<<8, func(i uint64, _ int, b *gokit.Bucket) {
		for k, top := range b.Tops {
			if top >= gokit.MinTopHash {
				home[b.Keys[k]] = i
			}
		}
	})
	hashCalls = 0
	writes, entries := 1, s.h.Count
	s.put(limit)
	for ; s.h.Growing(); writes++ {
		s.put(uint64(writes))
	}
	rehashed := hashCalls - writes
	halves := map[uint64][2]int{}
	var all, byHash, byLow, byHigh int
	visit(s.h.Buckets, 1<<9, func(i uint64, _ int, b *gokit.Bucket) {
		for k, top := range b.Tops {
			if top < gokit.MinTopHash {
				continue
			}
			number := b.Keys[k]
			hash, upper := gokit.Mix(number^gokit.Mix(uint64(s.h.Hash0))), i >= 1<<8
			all++
			byHash += count(upper == (hash&(1<<8) != 0))
			byLow += count(upper == (top&1 != 0))
			byHigh += count(upper == (top>>7 != 0))
			if chain, there := home[number]; there {
				n := halves[chain]
				n[count(upper)]++
				halves[chain] = n
			}
		}
	})
	chains, both := 0, 0
	for _, n := range halves {
		chains += count(n[0]+n[1] > 1)
		both += count(n[0] > 0 && n[1] > 0)
	}
	return gokit.Answer{"moved": entries, "rehashed": rehashed, "chains": chains, "both_halves": both, "entries": all,
		"by_hash": byHash, "by_low_top": byLow, "by_high_top": byHigh}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func lost() gokit.Answer {
	s, next := justGrowing(8)
	unmoved, checks, missing := 0, uint64(0), 0
	for s.h.Growing() {
		number := gokit.Key(seed, next)
		home := gokit.Mix(number^gokit.Mix(uint64(s.h.Hash0))) & (s.h.oldCount() - 1)
		unmoved += count(!gokit.At(s.h.Oldbuckets, home).Evacuated())
		s.put(next)
		next++
		checks += next
		missing += s.lost(next)
	}
	return gokit.Answer{"into_unmoved": unmoved, "checks": checks, "lost": missing}
}

func mergeOne(sameSeed bool) (missing int, growing bool) {
	to, n := justGrowing(8)
	source := newSubject(0)
	if sameSeed {
		source.h.Hash0 = to.h.Hash0
	}
	gokit.Must((source.h.Hash0 == to.h.Hash0) == sameSeed, "two random seeds are equal")
	for i := n; i < 2*n; i++ {
		source.put(i)
	}
	growing = to.h.Growing()
	for it := source.v.MapRange(); it.Next(); {
		to.v.SetMapIndex(it.Key(), it.Value())
	}
	return to.lost(2 * n), growing
}

func merge() gokit.Answer {
	same, growing := mergeOne(true)
	other, alsoGrowing := mergeOne(false)
	return gokit.Answer{"growing": growing && alsoGrowing, "lost_same_seed": same, "lost_other_seed": other}
}

func dummy() (list []gokit.Answer) {
	for _, b := range []uint{4, 8, 12, 14} {
		s, next := justGrowing(b)
		s.put(next)
		afterOne, writes := s.h.Growing(), 1
		for ; s.h.Growing(); writes++ {
			s.put(next + uint64(writes))
		}
		list = append(list, gokit.Answer{"old_buckets": 1 << b, "growing_after_one": afterOne, "writes": writes})
	}
	return
}

func reads() gokit.Answer {
	s, next := justGrowing(8)
	a := gokit.Answer{"reads": 2 * next, "old_buckets": s.h.oldCount(), "nevacuate_before": s.h.Nevacuate,
		"evacuated_before": s.h.evacuatedBuckets()}
	seen := uint64(0)
	for it := s.v.MapRange(); it.Next(); seen++ {
	}
	gokit.Must(seen == next && s.lost(next) == 0, "entries were lost")
	a["nevacuate_after"], a["evacuated_after"] = s.h.Nevacuate, s.h.evacuatedBuckets()
	return a
}

// A pool bucket whose overflow word is nil has another one behind it.
func pools() (list [][2]int) {
	for b := uint(0); b <= 12; b++ {
		hint := 0
		if b > 0 {
			hint = int(loadLimit(b))
		}
		s, n := newSubject(hint), 0
		s.put(0)
		gokit.Must(s.h.B == uint8(b), "not the B that was asked for")
		if s.h.Extra != nil && s.h.Extra.NextOverflow != nil {
			n = 1
			for p := s.h.Extra.NextOverflow; gokit.At(p, uint64(n)-1).Overflow == nil; n++ {
			}
		}
		list = append(list, [2]int{int(b), n})
	}
	return
}

func lists() gokit.Answer {
	free := newSubject(int(loadLimit(10)))
	held := reflect.MakeMapWithSize(reflect.MapOf(reflect.TypeOf(stateKey(0)), reflect.TypeOf(ptrElem(nil))),
		int(loadLimit(10)))
	pointers := subject{held, (*table)(held.UnsafePointer())}
	for i := uint64(0); i < loadLimit(10); i++ {
		free.put(i)
		held.SetMapIndex(key(i), reflect.ValueOf(ptrElem(new(byte))))
	}
	one := func(s subject) gokit.Answer {
		_, overflows := contents(s.h.Buckets, 1<<s.h.B)
		list, n := s.h.Extra != nil && s.h.Extra.Overflow != nil, 0
		if list {
			n = len(*s.h.Extra.Overflow)
		}
		return gokit.Answer{"list": list, "listed": n, "overflows": overflows}
	}
	return gokit.Answer{"pointer_free": one(free), "pointers": one(pointers)}
}

func noverflow(most uint) (list []gokit.Answer) {
	for b := uint(13); b <= most; b++ {
		s := newSubject(int(loadLimit(b)))
		for i := uint64(0); i < loadLimit(b); i++ {
			s.put(i)
		}
		gokit.Must(s.h.B == uint8(b), "not the B that was asked for")
		_, overflows := contents(s.h.Buckets, 1<<b)
		list = append(list, gokit.Answer{"B": b, "header": s.h.Noverflow, "true": overflows})
	}
	return
}

// stack names the functions of the runtime's map code that are running while an entry is rehashed, innermost first.
func stack() []string {
	s, n := justGrowing(8)
	names := []string{}
	hashes := 0
	inHash = func() {
		if hashes++; hashes != 2 { // the first is of the key that is put
			return
		}
		pcs := make([]uintptr, 32)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if strings.HasPrefix(f.Function, "runtime.") {
				names = append(names, strings.TrimPrefix(f.Function, "runtime."))
			}
		}
	}
	s.put(n)
	inHash = nil
	return names
}

func states(seedText, mostText string) {
	seed = uint64(gokit.Number(seedText, 0))
	most := uint(gokit.Number(mostText, 0))
	if !gokit.IsClassic() {
		gokit.Answer{"classic": false}.Print()
		return
	}
	debug.SetGCPercent(-1) // addresses of arrays are compared: none may be used twice
	gokit.Answer{"classic": true, "first_insert": firstInsert(), "doublings": doublings(), "start": start(),
		"finish": finish(), "same_size": sameSize(), "split": split(), "lost": lost(), "merge": merge(),
		"dummy": dummy(), "reads": reads(), "pools": pools(), "lists": lists(), "noverflow": noverflow(most),
		"stack": stack()}.Print()
}

// ---- the map since Go 1.24 ----

// loads looks at a map of one table: that table is the map.
func loads() {
	list := [][2]uint64{}
	if gokit.IsClassic() {
		gokit.Answer{"loads": list}.Print()
		return
	}
	m := map[uint64]uint64{}
	h, capacity := gokit.SwissOf(m), uint16(0)
	for i := uint64(0); h.Length <= 1; i++ {
		m[i] = i
		if h.Length == 1 && h.Directory()[0].Capacity != capacity {
			if capacity > 0 {
				list = append(list, [2]uint64{uint64(capacity), i + 1})
			}
			capacity = h.Directory()[0].Capacity
		} else if h.Length > 1 {
			list = append(list, [2]uint64{uint64(capacity), i + 1})
		}
	}
	gokit.Answer{"loads": list}.Print()
}

// ---- who allocates? ----

var keep any // what lives to the end of a measurement

//go:noinline
func grow(n int) map[uint64]uint64 {
	m := map[uint64]uint64{}
	for i := 0; i < n; i++ {
		m[uint64(i)] = 1
	}
	return m
}

// The allocation profile, with every allocation in it, keeps whole stacks, functions of the runtime included.
func callers(count string) {
	n := gokit.Number(count, 1)
	debug.SetGCPercent(-1) // a collection that starts meanwhile allocates too
	runtime.MemProfileRate = 1
	keep = grow(n)
	runtime.GC()
	runtime.GC() // what is allocated shows after the next collection
	runtime.MemProfileRate = 0
	records := make([]runtime.MemProfileRecord, 100000)
	got, ok := runtime.MemProfile(records, true)
	gokit.Must(ok, "the profile is larger than expected")
	functions, allocations, slices := map[string]bool{}, int64(0), int64(0)
	for _, r := range records[:got] {
		names, ours, slice := []string{}, false, false
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			ours = ours || f.Function == "main.grow"
			slice = slice || f.Function == "runtime.makeslice"
			if !ours { // callees of grow
				names = append(names, f.Function)
			}
		}
		if !ours {
			continue
		}
		allocations += r.AllocObjects
		if slice {
			slices += r.AllocObjects
		}
		for _, name := range names {
			functions[name] = true
		}
	}
	list := []string{}
	for name := range functions {
		list = append(list, name)
	}
	sort.Strings(list)
	gokit.Answer{"allocations": allocations, "by_makeslice": slices, "functions": list}.Print()
}

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == "states":
		states(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "callers":
		callers(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "loads":
		loads()
	default:
		gokit.Fail("usage: evacuation states SEED MOST, evacuation loads, evacuation callers N")
	}
}
