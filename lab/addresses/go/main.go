// addresses places N          where Go puts buckets (Go 1.24 and later: groups): their addresses, as JSON
// addresses keep EVERY N      one-bucket maps, of which all but each EVERY-th go: what does the heap keep?
package main

import (
	"os"
	"reflect"
	"runtime"
	"strconv"

	"gomap.invalid/lab/gokit"
)

// start is the address of a map's first bucket or, in a Swiss map, group.  In both designs the third word of the header
// points to it while the map has one; a larger Swiss map has a directory of tables there.
func start[K comparable, V any](m map[K]V) uintptr {
	if !gokit.IsClassic() {
		if tables := gokit.SwissOf(m).Directory(); len(tables) > 0 {
			return uintptr(tables[0].Groups)
		}
	}
	return uintptr(gokit.ClassicOf(m).Buckets)
}

type places struct {
	Type    string    `json:"type"`
	Bytes   uintptr   `json:"bytes"`  // of a bucket, or group
	Single  []uintptr `json:"single"` // of maps with one entry
	Array   []uintptr `json:"array"`  // of maps with 10 to 10 000
	Correct bool      `json:"correct"`
}

func place[K comparable, V comparable](name string, n int, key func(int) K, value V) places {
	p := places{Type: name, Correct: true}
	p.Bytes = gokit.BucketSize(reflect.TypeOf(map[K]V(nil)))
	sizes := []int{10, 30, 100, 300, 1000, 10000}
	single, array := make([]map[K]V, n), make([]map[K]V, 0, n)
	for i := range single {
		single[i] = map[K]V{}
		single[i][key(i)] = value
		p.Single = append(p.Single, start(single[i]))
	}
	for i, entries := 0, 0; entries < 10*n; i++ {
		m := map[K]V{}
		for j := 0; j < sizes[i%len(sizes)]; j++ {
			m[key(j)] = value
		}
		array, entries = append(array, m), entries+len(m)
		p.Array = append(p.Array, start(m))
	}
	for i := range single {
		p.Correct = p.Correct && single[i][key(i)] == value
	}
	for _, m := range array {
		p.Correct = p.Correct && m[key(len(m)-1)] == value
	}
	return p
}

type heapState struct {
	Alloc uint64 `json:"alloc"` // bytes of live objects
	Inuse uint64 `json:"inuse"` // bytes of spans with at least one
}

func heap() heapState {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one may leave finished sweeping to the second
	runtime.ReadMemStats(&s)
	return heapState{s.HeapAlloc, s.HeapInuse}
}

func fill(maps []map[uint64]uint64) {
	for i := range maps {
		if maps[i] == nil {
			maps[i] = map[uint64]uint64{}
			maps[i][uint64(i)] = uint64(i)
		}
	}
}

func keep(every, n int) map[string]heapState {
	maps := make([]map[uint64]uint64, n)
	before := heap()
	fill(maps)
	full := heap()
	for i := range maps {
		if i%every != 0 {
			maps[i] = nil
		}
	}
	kept := heap()
	fill(maps)
	again := heap()
	for i := range maps {
		gokit.Must(maps[i][uint64(i)] == uint64(i), "an entry is lost")
	}
	less := func(s heapState) heapState { return heapState{s.Alloc - before.Alloc, s.Inuse - before.Inuse} }
	return map[string]heapState{"full": less(full), "kept": less(kept), "again": less(again)}
}

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == "places":
		n := gokit.Number(args[1], 1)
		ints, texts := func(i int) uint64 { return uint64(i) }, func(i int) string { return strconv.Itoa(i) }
		gokit.Answer{"types": []places{
			place("uint64 to uint8", n, ints, uint8(1)), place("uint64 to uint64", n, ints, uint64(1)),
			place("string to uint64", n, texts, uint64(1)), place("string to string", n, texts, "1"),
		}}.Print()
	case len(args) == 3 && args[0] == "keep":
		gokit.Answer{"heap": keep(gokit.Number(args[1], 1), gokit.Number(args[2], 1))}.Print()
	default:
		gokit.Fail("usage: addresses places N | keep EVERY N")
	}
}
