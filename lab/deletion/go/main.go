// deletion asks Go's own map the questions of ../deletion.c, and answers under the same names.
//
//	deletion slots      marks, moved, residue of the classic map, and which functions the program holds
//	deletion memory N   clear, memory, release: bytes of the heap after collections
//
// A Go whose map is another one answers the second alone; release then has no growth that could be under way.
package main

import (
	"debug/elf"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

// shape gives the slots of a map, and where its memory begins: of the bucket array, or of each table's groups.
func shape(m map[uint64]uint64) (slots uint64, arrays []unsafe.Pointer) {
	if gokit.IsClassic() {
		h := gokit.ClassicOf(m)
		return 8 << h.B, []unsafe.Pointer{h.Buckets}
	}
	h := gokit.SwissOf(m)
	gokit.Must(h.Length > 0, "a map of one group")
	for i, t := range h.Directory() {
		if t.Index == i {
			slots += uint64(t.Capacity)
			arrays = append(arrays, t.Groups)
		}
	}
	return
}

// ---- slots of the classic map ----

func bucket(m map[uint64]uint64) *gokit.Bucket { return gokit.At(gokit.ClassicOf(m).Buckets, 0) }

func marks() gokit.Answer {
	m := map[uint64]uint64{}
	keep = m // on the heap
	m[0] = 0
	b := bucket(m)
	a := gokit.Answer{"never_used": b.Tops[7]}
	for key := uint64(1); key < 8; key++ {
		m[key] = key
	}
	delete(m, 3)
	a["deleted_before_others"] = b.Tops[3]
	m[100] = 100
	slot := -1
	for i, key := range b.Keys {
		if b.Tops[i] >= gokit.MinTopHash && key == 100 {
			slot = i
		}
	}
	a["freed_slot"], a["next_insert_slot"] = 3, slot
	h := gokit.ClassicOf(m)
	a["grew"] = unsafe.Pointer(b) != h.Buckets || h.B != 0 || h.Noverflow != 0
	delete(m, 7)
	a["deleted_last"] = b.Tops[7]
	delete(m, 5)
	a["deleted_between"] = b.Tops[5]
	delete(m, 6)
	a["last_two_then"] = b.Tops[5] + b.Tops[6]
	return a
}

func moved() (list []int) {
	m := map[uint64]uint64{}
	h, n := gokit.ClassicOf(m), uint64(0)
	for ; h.B < 12; n++ {
		m[n] = n
	}
	for i := 0; i < 500 && h.Growing(); i++ {
		m[n] = n
		n++
	}
	gokit.Must(h.Growing(), "the growth is over too soon")
	seen := [256]bool{}
	for i := uint64(0); i < 1<<(h.B-1); i++ {
		b := gokit.At(h.Oldbuckets, i)
		if !b.Evacuated() {
			continue
		}
		for ; b != nil; b = b.Overflow {
			for _, top := range b.Tops {
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

func residue() gokit.Answer {
	m := map[uint64]uint64{}
	keep = m
	m[0x1111111111111111], m[0x2222222222222222] = 3, 4
	b := bucket(m)
	delete(m, 0x1111111111111111)
	a := gokit.Answer{"number_stays": b.Keys[0] == 0x1111111111111111, "elem_zero": b.Elems[0] == 0}
	s := map[string]uint64{"first": 7}
	keep = s
	s["second"] = 7
	words := (*[2]uintptr)(unsafe.Add(gokit.ClassicOf(s).Buckets, 8))
	delete(s, "first")
	a["string_pointer_zero"], a["string_length_stays"] = words[0] == 0, words[1] == 5
	return a
}

// functions lists those of the runtime's map code that this program holds, by name.
func functions() (list []string) {
	file, err := elf.Open("/proc/self/exe")
	gokit.Must(err == nil, "this program cannot be read")
	symbols, err := file.Symbols()
	gokit.Must(err == nil, "this program has no symbols")
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

func clearing() gokit.Answer {
	m := map[uint64]uint64{}
	for i := uint64(0); i < 10000; i++ {
		m[i] = i
	}
	for gokit.IsClassic() && gokit.ClassicOf(m).Growing() {
		m[0] = 0
	}
	before, arrays := shape(m)
	clear(m)
	after, then := shape(m)
	same := len(arrays) == len(then)
	for i := range arrays {
		same = same && arrays[i] == then[i]
	}
	return gokit.Answer{"slots_before": before, "slots_after": after, "same_array": same, "entries": len(m)}
}

func memory(n uint64) gokit.Answer {
	base := gokit.Heap()
	m := map[uint64]uint64{}
	a := gokit.Answer{}
	state := func(name string) {
		slots, _ := shape(m)
		a[name] = gokit.Answer{"bytes": gokit.Heap() - base, "slots": slots}
	}
	for i := uint64(0); i < n; i++ {
		m[gokit.Mix(i)] = i
	}
	for gokit.IsClassic() && gokit.ClassicOf(m).Growing() {
		m[gokit.Mix(0)] = 0
	}
	state("full")
	for i := uint64(0); i < n; i++ {
		delete(m, gokit.Mix(i))
	}
	state("deleted")
	for i := uint64(0); i < n/100; i++ {
		m[gokit.Mix(n+i)] = i
	}
	state("refilled")
	gokit.Must(uint64(len(m)) == n/100, "entries were lost")
	runtime.KeepAlive(m)
	return a
}

func release(n uint64) gokit.Answer {
	base := gokit.Heap()
	m := map[uint64]uint64{}
	h, i := gokit.ClassicOf(m), uint64(0)
	for ; i < n || !h.Growing(); i++ {
		m[gokit.Mix(i)] = i
	}
	a := gokit.Answer{"growing": gokit.Heap() - base}
	for h.Growing() {
		m[gokit.Mix(0)] = 0
	}
	a["grown"] = gokit.Heap() - base
	clear(m)
	for i = 0; i < 13<<h.B/2; i++ {
		m[gokit.Mix(i)] = i
	}
	a["overflows"], a["full"] = h.Noverflow, gokit.Heap()-base
	clear(m)
	a["cleared"] = gokit.Heap() - base
	runtime.KeepAlive(m)
	return a
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "slots":
		if !gokit.IsClassic() {
			gokit.Answer{"classic": false}.Print()
			return
		}
		gokit.Answer{"classic": true, "marks": marks(), "moved": moved(), "residue": residue(),
			"functions": functions()}.Print()
	case len(os.Args) == 3 && os.Args[1] == "memory":
		n := uint64(gokit.Number(os.Args[2], 1000))
		a := gokit.Answer{"clear": clearing(), "memory": memory(n)}
		keep = nil
		if gokit.IsClassic() {
			a["release"] = release(n)
		}
		a.Print()
	default:
		gokit.Fail("usage: deletion slots, deletion memory N")
	}
}
