// deletion asks Go's own map the questions of ../deletion.c, and answers under the same names.
//
//	deletion slots      marks, moved, residue of the classic map, and which functions the program holds
//	deletion memory N   clear, memory, release: bytes of the heap after collections
//
// A Go whose map is another one answers the second alone; release then has no growth that could be under way.
package main

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
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

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// ---- the headers of both maps ----

type classic struct {
	count               int
	flags, B            uint8
	noverflow           uint16
	hash0               uint32
	buckets, oldbuckets unsafe.Pointer
	nevacuate           uintptr
	extra               unsafe.Pointer
}

type swiss struct {
	used   uint64
	seed   uintptr
	tables *[1 << 20]*struct {
		used, capacity, growthLeft uint16
		localDepth                 uint8
		index                      int
		groups                     unsafe.Pointer
		lengthMask                 uint64
	}
	length int
}

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

func classicOf[K comparable](m map[K]uint64) *classic { return *(**classic)(unsafe.Pointer(&m)) }
func swissOf[K comparable](m map[K]uint64) *swiss     { return *(**swiss)(unsafe.Pointer(&m)) }

// shape gives the slots of a map, and where its memory begins: of the bucket array, or of each table's groups.
func shape(m map[uint64]uint64) (slots uint64, arrays []unsafe.Pointer) {
	if isClassic() {
		h := classicOf(m)
		return 8 << h.B, []unsafe.Pointer{h.buckets}
	}
	h := swissOf(m)
	must(h.length > 0, "a map of one group")
	for i := 0; i < h.length; i++ {
		if t := h.tables[i]; t.index == i {
			slots += uint64(t.capacity)
			arrays = append(arrays, t.groups)
		}
	}
	return
}

// ---- slots of the classic map: int keys and elems, tophash 0, keys 8, elems 72 ----

func tops(m map[uint64]uint64) *[8]uint8  { return (*[8]uint8)(classicOf(m).buckets) }
func keys(m map[uint64]uint64) *[8]uint64 { return (*[8]uint64)(unsafe.Add(classicOf(m).buckets, 8)) }

func marks() answer {
	m := map[uint64]uint64{}
	keep = m // on the heap
	m[0] = 0
	t := tops(m)
	a := answer{"never_used": t[7]}
	for key := uint64(1); key < 8; key++ {
		m[key] = key
	}
	delete(m, 3)
	a["deleted_before_others"] = t[3]
	m[100] = 100
	slot := -1
	for i, key := range keys(m) {
		if t[i] >= 5 && key == 100 {
			slot = i
		}
	}
	a["freed_slot"], a["next_insert_slot"] = 3, slot
	a["grew"] = unsafe.Pointer(t) != classicOf(m).buckets || classicOf(m).B != 0 || classicOf(m).noverflow != 0
	delete(m, 7)
	a["deleted_last"] = t[7]
	delete(m, 5)
	a["deleted_between"] = t[5]
	delete(m, 6)
	a["last_two_then"] = t[5] + t[6]
	return a
}

func moved() (list []int) {
	m := map[uint64]uint64{}
	h, n := classicOf(m), uint64(0)
	for ; h.B < 12; n++ {
		m[n] = n
	}
	for i := 0; i < 500 && h.oldbuckets != nil; i++ {
		m[n] = n
		n++
	}
	must(h.oldbuckets != nil, "the growth is over too soon")
	seen := [256]bool{}
	for i := uintptr(0); i < 1<<(h.B-1); i++ {
		b := unsafe.Add(h.oldbuckets, i*144)
		if head := *(*uint8)(b); head <= 1 || head >= 5 {
			continue
		}
		for ; b != nil; b = *(*unsafe.Pointer)(unsafe.Add(b, 136)) {
			for _, top := range (*[8]uint8)(b) {
				seen[top] = true
			}
		}
	}
	for top, there := range seen {
		if there {
			list = append(list, top)
		}
	}
	keep = m
	return
}

func residue() answer {
	m := map[uint64]uint64{}
	keep = m
	m[0x1111111111111111], m[0x2222222222222222] = 3, 4
	k, e := keys(m), (*[8]uint64)(unsafe.Add(classicOf(m).buckets, 72))
	delete(m, 0x1111111111111111)
	a := answer{"number_stays": k[0] == 0x1111111111111111, "elem_zero": e[0] == 0}
	s := map[string]uint64{"first": 7}
	keep = s
	s["second"] = 7
	words := (*[2]uintptr)(unsafe.Add(classicOf(s).buckets, 8))
	delete(s, "first")
	a["string_pointer_zero"], a["string_length_stays"] = words[0] == 0, words[1] == 5
	return a
}

// functions lists those of the runtime's map code that this program holds, by name.
func functions() (list []string) {
	file, err := elf.Open("/proc/self/exe")
	must(err == nil, "this program cannot be read")
	symbols, err := file.Symbols()
	must(err == nil, "this program has no symbols")
	for _, s := range symbols {
		name := strings.ToLower(s.Name)
		if strings.HasPrefix(name, "runtime.") && (strings.Contains(name, "mapdelete") || strings.Contains(name, "deletenode")) {
			list = append(list, s.Name)
		}
	}
	return
}

// ---- memory ----

var keep any

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first has swept is free now
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

func clearing() answer {
	m := map[uint64]uint64{}
	for i := uint64(0); i < 10000; i++ {
		m[i] = i
	}
	for isClassic() && classicOf(m).oldbuckets != nil {
		m[0] = 0
	}
	before, arrays := shape(m)
	clear(m)
	after, then := shape(m)
	same := len(arrays) == len(then)
	for i := range arrays {
		same = same && arrays[i] == then[i]
	}
	return answer{"slots_before": before, "slots_after": after, "same_array": same, "entries": len(m)}
}

func memory(n uint64) answer {
	base := heap()
	m := map[uint64]uint64{}
	a := answer{}
	state := func(name string) {
		slots, _ := shape(m)
		a[name] = answer{"bytes": heap() - base, "slots": slots}
	}
	for i := uint64(0); i < n; i++ {
		m[mix(i)] = i
	}
	for isClassic() && classicOf(m).oldbuckets != nil {
		m[mix(0)] = 0
	}
	state("full")
	for i := uint64(0); i < n; i++ {
		delete(m, mix(i))
	}
	state("deleted")
	for i := uint64(0); i < n/100; i++ {
		m[mix(n+i)] = i
	}
	state("refilled")
	must(uint64(len(m)) == n/100, "entries were lost")
	runtime.KeepAlive(m)
	return a
}

func release(n uint64) answer {
	base := heap()
	m := map[uint64]uint64{}
	h, i := classicOf(m), uint64(0)
	for ; i < n || h.oldbuckets == nil; i++ {
		m[mix(i)] = i
	}
	a := answer{"growing": heap() - base}
	for h.oldbuckets != nil {
		m[mix(0)] = 0
	}
	a["grown"] = heap() - base
	clear(m)
	for i = 0; i < 13<<h.B/2; i++ {
		m[mix(i)] = i
	}
	a["overflows"], a["full"] = h.noverflow, heap()-base
	clear(m)
	a["cleared"] = heap() - base
	runtime.KeepAlive(m)
	return a
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "slots":
		if !isClassic() {
			answer{"classic": false}.print()
			return
		}
		answer{"classic": true, "marks": marks(), "moved": moved(), "residue": residue(), "functions": functions()}.print()
	case len(os.Args) == 3 && os.Args[1] == "memory":
		n, err := strconv.ParseUint(os.Args[2], 10, 32)
		must(err == nil && n >= 1000, "N is a number from 1000 on")
		a := answer{"clear": clearing(), "memory": memory(n)}
		keep = nil
		if isClassic() {
			a["release"] = release(n)
		}
		a.print()
	default:
		fail("usage: deletion slots, deletion memory N")
	}
}
