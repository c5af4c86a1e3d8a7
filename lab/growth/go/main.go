// growth asks Go's own map what fill.c, pauses.c and states.c ask the maps in C.
//
//	growth time  KEYS N HINT ORDER SEED     time and page faults of a fill
//	growth count KEYS N HINT ORDER SEED     allocations, growths, key comparisons
//	growth pauses N SEED                    how long single inserts and makes take
//
// Every answer names the version.  Time is processor time of the whole process: Go's collector belongs to the price.
package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sort"
	"syscall"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

func usage() syscall.Rusage {
	var u syscall.Rusage
	gokit.Must(syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil, "getrusage failed")
	return u
}

// ---- a fill ----

type job struct {
	n, hint         int
	sorted, sorting bool
	numbers         []uint64
	strings         []string
}

func parse(args []string) (*job, bool) {
	if len(args) != 5 {
		gokit.Fail("usage: growth time|count u64|string N none|exact|plus15 shuffled|sorted|sorting SEED")
	}
	n, seed := gokit.Number(args[1], 1), uint64(gokit.Number(args[4], 0))
	j := &job{n: n, sorted: args[3] == "sorted", sorting: args[3] == "sorting"}
	switch args[2] {
	case "exact":
		j.hint = n
	case "plus15":
		j.hint = n + n*15/100
	}
	for i := 0; i < n; i++ {
		number := gokit.Key(seed, uint64(i))
		if args[0] == "string" {
			j.strings = append(j.strings, fmt.Sprintf("key-%016x", number))
		} else {
			j.numbers = append(j.numbers, number)
		}
	}
	for i := len(j.strings) - 1; i > 0; i-- { // where a string lies says nothing of its place
		other := gokit.Mix(seed^uint64(i)<<32) % uint64(i+1)
		j.strings[i], j.strings[other] = j.strings[other], j.strings[i]
	}
	if j.sorted {
		j.sort()
	}
	return j, args[0] == "string"
}

func (j *job) sort() {
	sort.Strings(j.strings)
	sort.Slice(j.numbers, func(a, b int) bool { return j.numbers[a] < j.numbers[b] })
}

// watch is called after each insert with the map's header; nil: nobody looks.
func (j *job) fillNumbers(watch func(unsafe.Pointer)) map[uint64]uint64 {
	m := make(map[uint64]uint64, j.hint)
	for i, key := range j.numbers {
		m[key] = uint64(i)
		if watch != nil {
			watch(*(*unsafe.Pointer)(unsafe.Pointer(&m)))
		}
	}
	return m
}

func (j *job) fillStrings(watch func(unsafe.Pointer)) map[string]uint64 {
	m := make(map[string]uint64, j.hint)
	for i, key := range j.strings {
		m[key] = uint64(i)
		if watch != nil {
			watch(*(*unsafe.Pointer)(unsafe.Pointer(&m)))
		}
	}
	return m
}

var keep any // what lives to the end of a measurement

func (j *job) fill(str bool, watch func(unsafe.Pointer)) {
	if str {
		m := j.fillStrings(watch)
		gokit.Must(len(m) == j.n && m[j.strings[j.n-1]] == uint64(j.n-1), "entries were lost")
		keep = m
	} else {
		m := j.fillNumbers(watch)
		gokit.Must(len(m) == j.n && m[j.numbers[j.n-1]] == uint64(j.n-1), "entries were lost")
		keep = m
	}
}

func timeFill(args []string) {
	j, str := parse(args)
	runtime.GC()
	before, start := usage(), gokit.ProcessNs()
	if j.sorting {
		j.sort()
	}
	sorted := gokit.ProcessNs()
	j.fill(str, nil)
	end, after := gokit.ProcessNs(), usage()
	gokit.Answer{"ns": end - sorted, "sort_ns": sorted - start, "faults": after.Minflt - before.Minflt}.Print()
}

func countFill(args []string) {
	j, str := parse(args)
	if j.sorting {
		j.sort()
	}
	debug.SetGCPercent(-1)
	runtime.GC()
	var before, after, end runtime.MemStats
	runtime.ReadMemStats(&before)
	j.fill(str, nil)
	runtime.ReadMemStats(&after)
	runtime.GC()
	runtime.ReadMemStats(&end)
	a := gokit.Answer{"allocs": after.Mallocs - before.Mallocs, "bytes": after.TotalAlloc - before.TotalAlloc,
		"held": end.HeapAlloc - before.HeapAlloc, "compared_per_insert": j.compare(str)}
	keep = nil
	if gokit.IsClassic() {
		grows, moved, array := 0, 0, unsafe.Pointer(nil)
		var b uint8
		j.fill(str, func(p unsafe.Pointer) {
			h := (*gokit.Classic)(p)
			if array != nil && array != h.Buckets {
				grows++
				moved += h.Count - 1 // all but the one just inserted
			}
			array, b = h.Buckets, h.B
		})
		a["grows"], a["moved"], a["B"] = grows, moved, b
	}
	a.Print()
}

// compare counts calls of the key's equality function.  A struct type made at run time has its function in writable
// memory; maps of it take the generic path, the one that asks tophash for all keys.
func (j *job) compare(str bool) float64 {
	field := reflect.TypeOf(uint64(0))
	if str {
		field = reflect.TypeOf("")
	}
	key := reflect.StructOf([]reflect.StructField{{Name: "Lab", Type: field}})
	equal := gokit.EqualOf(key)
	was, compared := *equal, 0
	*equal = func(a, b unsafe.Pointer) bool { compared++; return was(a, b) }
	m := reflect.MakeMapWithSize(reflect.MapOf(key, reflect.TypeOf(uint64(0))), j.hint)
	cell := reflect.New(key).Elem()
	for i := 0; i < j.n; i++ {
		if str {
			cell.Field(0).SetString(j.strings[i])
		} else {
			cell.Field(0).SetUint(j.numbers[i])
		}
		m.SetMapIndex(cell, reflect.ValueOf(uint64(i)))
	}
	inserts := compared
	gokit.Must(m.Len() == j.n && m.MapIndex(cell).Uint() == uint64(j.n-1), "entries were lost")
	gokit.Must(compared > inserts, "the comparisons were not counted")
	return float64(inserts) / float64(j.n)
}

// ---- pauses ----

var clockCost int64

func since(start int64) int64 { return max(0, gokit.ThreadNs()-start-clockCost) }

func summary(ns []int64) gokit.Answer {
	if len(ns) == 0 {
		return gokit.Answer{"n": 0}
	}
	sort.Slice(ns, func(a, b int) bool { return ns[a] < ns[b] })
	at := func(share float64) int64 { return ns[int(share*float64(len(ns)-1)+0.5)] }
	return gokit.Answer{"n": len(ns), "p50": at(0.5), "p99": at(0.99), "max": at(1)}
}

// Inserts by what they did, read from the header before and after; without a classic header all together.
func pauses(args []string) {
	n, seed := gokit.Number(args[0], 1), uint64(gokit.Number(args[1], 0))
	runtime.LockOSThread()
	clockCost = 1 << 40
	for i := 0; i < 1000; i++ {
		start := gokit.ThreadNs()
		clockCost = min(clockCost, gokit.ThreadNs()-start)
	}
	m := make(map[uint64]uint64)
	times := map[string][]int64{}
	for i := 0; i < n; i++ {
		h := *(**gokit.Classic)(unsafe.Pointer(&m))
		kind, growing, b := "all", false, uint8(0)
		if gokit.IsClassic() {
			kind, growing, b = "plain", h.Growing(), h.B
		}
		start := gokit.ThreadNs()
		m[gokit.Key(seed, uint64(i))] = uint64(i)
		took := since(start)
		if gokit.IsClassic() && h.B != b {
			kind = "starting"
		} else if growing {
			kind = "evacuating"
		}
		times[kind] = append(times[kind], took)
	}
	gokit.Must(len(m) == n, "entries were lost")
	writes := gokit.Answer{}
	for kind, ns := range times {
		writes[kind] = summary(ns)
	}
	arrays := []gokit.Answer{}
	for room := 13; room <= n; room *= 2 {
		ns := []int64{}
		for i := 0; i < 31; i++ {
			start := gokit.ThreadNs()
			keep = make(map[uint64]uint64, room)
			ns = append(ns, since(start))
		}
		arrays = append(arrays, gokit.Answer{"entries": room, "ns": summary(ns)})
	}
	gokit.Answer{"go_u64": writes, "arrays": arrays}.Print()
}

func main() {
	verbs := map[string]func([]string){"time": timeFill, "count": countFill, "pauses": pauses}
	least := map[string]int{"time": 5, "count": 5, "pauses": 2}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil || len(os.Args)-2 != least[os.Args[1]] {
		gokit.Fail("usage: growth time|count|pauses ...")
	}
	verbs[os.Args[1]](os.Args[2:])
}
