// evacuation asks Go's classic map the questions of ../states.c, and answers under the same names; and any Go's map two
// more.
//
//	evacuation states SEED MOST    the header and buckets at the turning points of a growth
//	evacuation loads               entries of a table of Go 1.24 and later when it grows
//	evacuation callers N           which functions of the runtime allocate while a map grows to N entries
//
// The key and elem types are in no map type of the program, so reflect.MapOf makes one on the heap, and its hash function
// (offset 72 of the descriptor) can be replaced by one that is known here.  A Go whose map is another one only says so.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"unsafe"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func must(ok bool, what string) {
	if !ok {
		fail("%s", what)
	}
}

type answer map[string]any

func (a answer) print() {
	a["version"] = runtime.Version()
	text, err := json.Marshal(a)
	must(err == nil, "no JSON")
	fmt.Println(string(text))
}

// mix is splitmix64's finisher, as in measure.h.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

type hmap struct {
	count      int
	flags, B   uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
	extra      *mapextra
}

type mapextra struct {
	overflow, oldoverflow *[]unsafe.Pointer
	nextOverflow          unsafe.Pointer
}

const (
	bucketBytes  = 8 + 8*8 + 8*8 + 8
	overflowAt   = bucketBytes - 8
	flagSameSize = 8
	minTopHash   = 5
)

// isClassic: Go had this map by default up to 1.23.
func isClassic() bool {
	v := runtime.Version()
	for _, minor := range []string{"1.19", "1.20", "1.21", "1.22", "1.23"} {
		if v == "go"+minor || strings.HasPrefix(v, "go"+minor+".") {
			return true
		}
	}
	return false
}

func (h *hmap) growing() bool  { return h.oldbuckets != nil }
func (h *hmap) sameSize() bool { return h.flags&flagSameSize != 0 }
func (h *hmap) oldCount() uint64 {
	if h.sameSize() {
		return 1 << h.B
	}
	return 1 << (h.B - 1)
}

func bucketAt(array unsafe.Pointer, i uint64) unsafe.Pointer {
	return unsafe.Add(array, uintptr(i)*bucketBytes)
}
func tops(b unsafe.Pointer) *[8]uint8    { return (*[8]uint8)(b) }
func keysOf(b unsafe.Pointer) *[8]uint64 { return (*[8]uint64)(unsafe.Add(b, 8)) }
func overflowOf(b unsafe.Pointer) *unsafe.Pointer {
	return (*unsafe.Pointer)(unsafe.Add(b, overflowAt))
}
func evacuated(b unsafe.Pointer) bool { return tops(b)[0] > 1 && tops(b)[0] < minTopHash }

func (h *hmap) evacuatedBuckets() (n int) {
	for i := uint64(0); h.growing() && i < h.oldCount(); i++ {
		if evacuated(bucketAt(h.oldbuckets, i)) {
			n++
		}
	}
	return
}

// visit calls f for every bucket of an array of n, and how deep in its chain it is.
func visit(array unsafe.Pointer, n uint64, f func(i uint64, depth int, b unsafe.Pointer)) {
	for i := uint64(0); array != nil && i < n; i++ {
		depth := 0
		for b := bucketAt(array, i); b != nil; b = *overflowOf(b) {
			f(i, depth, b)
			depth++
		}
	}
}

func contents(array unsafe.Pointer, n uint64) (entries, overflows int) {
	visit(array, n, func(_ uint64, depth int, b unsafe.Pointer) {
		if depth > 0 {
			overflows++
		}
		for _, top := range tops(b) {
			if top >= minTopHash {
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
	h *hmap
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
	return uintptr(mix(*(*uint64)(p) ^ mix(uint64(uint32(hash0)))))
}

// typeWord gives the address of a type's descriptor.
func typeWord(t reflect.Type) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&t))[1] }

func newSubject(hint int) subject {
	t := reflect.MapOf(reflect.TypeOf(stateKey(0)), reflect.TypeOf(stateElem(0)))
	*(*func(unsafe.Pointer, uintptr) uintptr)(unsafe.Add(typeWord(t), 72)) = countedHash
	v := reflect.MakeMapWithSize(t, hint)
	return subject{v, (*hmap)(v.UnsafePointer())}
}

func key(i uint64) reflect.Value { return reflect.ValueOf(stateKey(mix(seed*0x1000003 + i))) }
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
	for ; !s.h.growing(); n++ {
		must(s.h.B == uint8(b), "the map grew before its time")
		s.put(n)
	}
	return s, n
}

// ---- the questions ----

func firstInsert() answer {
	s := newSubject(0)
	before := s.h.buckets != nil
	s.put(0)
	return answer{"buckets_before": before, "buckets_after": s.h.buckets != nil, "B": s.h.B,
		"nevacuate": s.h.nevacuate, "oldbuckets": s.h.growing()}
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

func start() answer {
	limit := loadLimit(8)
	s := newSubject(int(limit))
	for i := uint64(0); i < limit; i++ {
		s.put(i)
	}
	former := s.h.buckets
	s.put(limit)
	oldEntries, _ := contents(s.h.oldbuckets, s.h.oldCount())
	newEntries, _ := contents(s.h.buckets, 1<<s.h.B)
	return answer{"old_is_former": s.h.oldbuckets == former, "new_is_former": s.h.buckets == former,
		"entries_old": oldEntries, "entries_new": newEntries, "evacuated": s.h.evacuatedBuckets()}
}

func sameSizeGrowing() (s subject, oldest, next uint64, overflows uint16) {
	s = newSubject(int(loadLimit(8)))
	for ; next < 800; next++ {
		s.put(next)
	}
	for ; !s.h.growing(); next++ {
		s.del(oldest)
		overflows = s.h.noverflow
		s.put(next)
		oldest++
		must(next < 10000000, "no growth to the same size came")
	}
	return
}

func sameSize() answer {
	s, oldest, _, overflows := sameSizeGrowing()
	a := answer{"flag": s.h.sameSize(), "B": s.h.B, "entries": s.h.count, "overflows_before": overflows}
	calls, writes := hashCalls, 0
	for ; s.h.growing(); writes++ {
		s.put(oldest + uint64(writes))
	}
	_, left := contents(s.h.buckets, 1<<s.h.B)
	a["rehashed"], a["B_after"], a["overflows_after"] = hashCalls-calls-writes, s.h.B, left
	return a
}

func finishOne(s subject, i uint64) answer {
	a := answer{"same_size": s.h.sameSize(), "old_buckets": s.h.oldCount()}
	advances, after := 0, 0
	var inside uintptr
	inHash = func() { inside = s.h.nevacuate }
	for ; s.h.growing(); i++ {
		inside = ^uintptr(0)
		s.put(i)
		if inside != s.h.nevacuate {
			advances++
			if inside < s.h.nevacuate {
				after++
			}
		}
	}
	inHash = nil
	a["B"], a["nevacuate"], a["advances"], a["advanced_after_moving"] = s.h.B, s.h.nevacuate, advances, after
	return a
}

func finish() []answer {
	doubling, _ := justGrowing(8)
	same, oldest, _, _ := sameSizeGrowing()
	return []answer{finishOne(doubling, 0), finishOne(same, oldest)}
}

// The old chains are looked at before the growth, the halves after it.
func split() answer {
	limit := loadLimit(8)
	s := newSubject(int(limit))
	for i := uint64(0); i < limit; i++ {
		s.put(i)
	}
	home := map[uint64]uint64{}
	visit(s.h.buckets, 1<<8, func(i uint64, _ int, b unsafe.Pointer) {
		for k, top := range tops(b) {
			if top >= minTopHash {
				home[keysOf(b)[k]] = i
			}
		}
	})
	hashCalls = 0
	writes, entries := 1, s.h.count
	s.put(limit)
	for ; s.h.growing(); writes++ {
		s.put(uint64(writes))
	}
	rehashed := hashCalls - writes
	halves := map[uint64][2]int{}
	var all, byHash, byLow, byHigh int
	visit(s.h.buckets, 1<<9, func(i uint64, _ int, b unsafe.Pointer) {
		for k, top := range tops(b) {
			if top < minTopHash {
				continue
			}
			number := keysOf(b)[k]
			hash, upper := mix(number^mix(uint64(s.h.hash0))), i >= 1<<8
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
	return answer{"moved": entries, "rehashed": rehashed, "chains": chains, "both_halves": both, "entries": all,
		"by_hash": byHash, "by_low_top": byLow, "by_high_top": byHigh}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func lost() answer {
	s, next := justGrowing(8)
	unmoved, checks, missing := 0, uint64(0), 0
	for s.h.growing() {
		number := mix(seed*0x1000003 + next)
		home := mix(number^mix(uint64(s.h.hash0))) & (s.h.oldCount() - 1)
		unmoved += count(!evacuated(bucketAt(s.h.oldbuckets, home)))
		s.put(next)
		next++
		checks += next
		missing += s.lost(next)
	}
	return answer{"into_unmoved": unmoved, "checks": checks, "lost": missing}
}

func mergeOne(sameSeed bool) (missing int, growing bool) {
	to, n := justGrowing(8)
	source := newSubject(0)
	if sameSeed {
		source.h.hash0 = to.h.hash0
	}
	must((source.h.hash0 == to.h.hash0) == sameSeed, "two random seeds are equal")
	for i := n; i < 2*n; i++ {
		source.put(i)
	}
	growing = to.h.growing()
	for it := source.v.MapRange(); it.Next(); {
		to.v.SetMapIndex(it.Key(), it.Value())
	}
	return to.lost(2 * n), growing
}

func merge() answer {
	same, growing := mergeOne(true)
	other, alsoGrowing := mergeOne(false)
	return answer{"growing": growing && alsoGrowing, "lost_same_seed": same, "lost_other_seed": other}
}

func dummy() (list []answer) {
	for _, b := range []uint{4, 8, 12, 14} {
		s, next := justGrowing(b)
		s.put(next)
		afterOne, writes := s.h.growing(), 1
		for ; s.h.growing(); writes++ {
			s.put(next + uint64(writes))
		}
		list = append(list, answer{"old_buckets": 1 << b, "growing_after_one": afterOne, "writes": writes})
	}
	return
}

func reads() answer {
	s, next := justGrowing(8)
	a := answer{"reads": 2 * next, "old_buckets": s.h.oldCount(), "nevacuate_before": s.h.nevacuate,
		"evacuated_before": s.h.evacuatedBuckets()}
	seen := uint64(0)
	for it := s.v.MapRange(); it.Next(); seen++ {
	}
	must(seen == next && s.lost(next) == 0, "entries were lost")
	a["nevacuate_after"], a["evacuated_after"] = s.h.nevacuate, s.h.evacuatedBuckets()
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
		must(s.h.B == uint8(b), "not the B that was asked for")
		if s.h.extra != nil && s.h.extra.nextOverflow != nil {
			n = 1
			for p := s.h.extra.nextOverflow; *overflowOf(p) == nil; p = unsafe.Add(p, bucketBytes) {
				n++
			}
		}
		list = append(list, [2]int{int(b), n})
	}
	return
}

func lists() answer {
	free := newSubject(int(loadLimit(10)))
	held := reflect.MakeMapWithSize(reflect.MapOf(reflect.TypeOf(stateKey(0)), reflect.TypeOf(ptrElem(nil))),
		int(loadLimit(10)))
	pointers := subject{held, (*hmap)(held.UnsafePointer())}
	for i := uint64(0); i < loadLimit(10); i++ {
		free.put(i)
		held.SetMapIndex(key(i), reflect.ValueOf(ptrElem(new(byte))))
	}
	one := func(s subject) answer {
		_, overflows := contents(s.h.buckets, 1<<s.h.B)
		list, n := s.h.extra != nil && s.h.extra.overflow != nil, 0
		if list {
			n = len(*s.h.extra.overflow)
		}
		return answer{"list": list, "listed": n, "overflows": overflows}
	}
	return answer{"pointer_free": one(free), "pointers": one(pointers)}
}

func noverflow(most uint) (list []answer) {
	for b := uint(13); b <= most; b++ {
		s := newSubject(int(loadLimit(b)))
		for i := uint64(0); i < loadLimit(b); i++ {
			s.put(i)
		}
		must(s.h.B == uint8(b), "not the B that was asked for")
		_, overflows := contents(s.h.buckets, 1<<b)
		list = append(list, answer{"B": b, "header": s.h.noverflow, "true": overflows})
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
	var err error
	seed, err = strconv.ParseUint(seedText, 10, 32)
	most, err2 := strconv.ParseUint(mostText, 10, 8)
	must(err == nil && err2 == nil, "SEED and MOST are numbers")
	if !isClassic() {
		answer{"classic": false}.print()
		return
	}
	debug.SetGCPercent(-1) // addresses of arrays are compared: none may be used twice
	answer{"classic": true, "first_insert": firstInsert(), "doublings": doublings(), "start": start(),
		"finish": finish(), "same_size": sameSize(), "split": split(), "lost": lost(), "merge": merge(),
		"dummy": dummy(), "reads": reads(), "pools": pools(), "lists": lists(), "noverflow": noverflow(uint(most)),
		"stack": stack()}.print()
}

// ---- the map since Go 1.24 ----

// swiss is the head of its header.  With one table in the directory, that table is the map.
type swiss struct {
	used   uint64
	seed   uintptr
	tables *[1]*struct{ used, capacity, growthLeft uint16 }
	length int
}

func loads() {
	list := [][2]uint64{}
	if isClassic() {
		answer{"loads": list}.print()
		return
	}
	m := map[uint64]uint64{}
	h, capacity := *(**swiss)(unsafe.Pointer(&m)), uint16(0)
	for i := uint64(0); h.length <= 1; i++ {
		m[i] = i
		if h.length == 1 && h.tables[0].capacity != capacity {
			if capacity > 0 {
				list = append(list, [2]uint64{uint64(capacity), i + 1})
			}
			capacity = h.tables[0].capacity
		} else if h.length > 1 {
			list = append(list, [2]uint64{uint64(capacity), i + 1})
		}
	}
	answer{"loads": list}.print()
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
	n, err := strconv.Atoi(count)
	must(err == nil, "N is a number")
	debug.SetGCPercent(-1) // a collection that starts meanwhile allocates too
	runtime.MemProfileRate = 1
	keep = grow(n)
	runtime.GC()
	runtime.GC() // what is allocated shows after the next collection
	runtime.MemProfileRate = 0
	records := make([]runtime.MemProfileRecord, 100000)
	got, ok := runtime.MemProfile(records, true)
	must(ok, "the profile is larger than expected")
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
	answer{"allocations": allocations, "by_makeslice": slices, "functions": list}.print()
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
		fail("usage: evacuation states SEED MOST, evacuation loads, evacuation callers N")
	}
}
