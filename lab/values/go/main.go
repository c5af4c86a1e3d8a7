// values: what it costs to keep and to change structs in a Go map, and what of it allocates.
//
//	values sizes inline|pointer SIZE N SEED   the four ways to write of values.c
//	values allocs                             allocations of single statements, counted by testing.AllocsPerRun
//	values growth N                           what growing a map of structs allocates
//	values sharing                            what an assignment copies
//	values collect KIND N                     time of a collection with a map of N values alive
//
// Prints one JSON document; exit code 1 when a result is wrong.
package main

import (
	"maps"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

func mallocs() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.Mallocs
}

// Values of 8 to 512 bytes: a counter, and the rest.
type (
	value8   struct{ n [1]uint64 }
	value24  struct{ n [3]uint64 }
	value32  struct{ n [4]uint64 }
	value64  struct{ n [8]uint64 }
	value128 struct{ n [16]uint64 }
	value136 struct{ n [17]uint64 }
	value256 struct{ n [32]uint64 }
	value512 struct{ n [64]uint64 }
)

type sized interface {
	value8 | value24 | value32 | value64 | value128 | value136 | value256 | value512
}

// counter is the first word of a value; generic code cannot name a field.
func counter[V sized](v *V) *uint64 { return (*uint64)(unsafe.Pointer(v)) }

type written struct {
	Insert      float64 `json:"insert"`
	Put         float64 `json:"put"`
	Through     float64 `json:"through"`
	Field       float64 `json:"field,omitempty"` // a field of a struct in a map cannot be assigned to
	NewAllocs   float64 `json:"new_allocs"`
	PutAllocs   float64 `json:"put_allocs"`
	FieldAllocs float64 `json:"field_allocs"`
	Held        float64 `json:"held"`
}

// The four ways to write; see values.c.  pass times n operations and counts their allocations.
func pass(n int, f func(i int)) (ns, allocs float64) {
	before, start := mallocs(), gokit.ProcessNs()
	for i := 0; i < n; i++ {
		f(i)
	}
	took := gokit.ProcessNs() - start
	return float64(took) / float64(n), float64(mallocs()-before) / float64(n)
}

func inline[V sized](n int, seed uint64) (w written) {
	key := func(i uint64) uint64 { return gokit.Mix(seed<<32 + i) }
	base := gokit.Heap()
	m := map[uint64]V{}
	var v V
	w.Insert, w.NewAllocs = pass(n, func(i int) {
		*counter(&v) = 1
		m[key(uint64(i))] = v
	})
	w.Held = float64(gokit.Heap()-base) / float64(n)
	w.Put, w.PutAllocs = pass(n, func(i int) {
		*counter(&v) = 2
		m[key(gokit.Mix(uint64(i))%uint64(n))] = v
	})
	w.Through, w.FieldAllocs = pass(n, func(i int) {
		k := key(gokit.Mix(uint64(i+n)) % uint64(n))
		v := m[k]
		*counter(&v)++
		m[k] = v
	})
	var sum uint64
	for _, v := range m {
		sum += *counter(&v)
	}
	check(n, len(m), sum, 1)
	return w
}

func pointer[V sized](n int, seed uint64) (w written) {
	key := func(i uint64) uint64 { return gokit.Mix(seed<<32 + i) }
	base := gokit.Heap()
	m := map[uint64]*V{}
	w.Insert, w.NewAllocs = pass(n, func(i int) {
		v := new(V)
		*counter(v) = 1
		m[key(uint64(i))] = v
	})
	w.Held = float64(gokit.Heap()-base) / float64(n)
	w.Put, w.PutAllocs = pass(n, func(i int) {
		var v V
		*counter(&v) = 2
		*m[key(gokit.Mix(uint64(i))%uint64(n))] = v
	})
	w.Through, _ = pass(n, func(i int) {
		k := key(gokit.Mix(uint64(i+n)) % uint64(n))
		v := *m[k]
		*counter(&v)++
		*m[k] = v
	})
	w.Field, w.FieldAllocs = pass(n, func(i int) { *counter(m[key(gokit.Mix(uint64(i+2*n))%uint64(n))])++ })
	var sum uint64
	for _, v := range m {
		sum += *counter(v)
	}
	check(n, len(m), sum, 2)
	return w
}

// Puts set 2, each pass after them added one an operation.
func check(n, entries int, sum uint64, passes int) {
	put := make([]bool, n)
	want := uint64(n * (1 + passes))
	for i := range put {
		at := gokit.Mix(uint64(i)) % uint64(n)
		if !put[at] {
			put[at] = true
			want++
		}
	}
	if entries != n || sum != want {
		gokit.Fail("values: %d entries with a sum of %d, not %d with %d", entries, sum, n, want)
	}
}

func sizes(where string, size, n int, seed uint64) written {
	type of struct{ inline, pointer func(int, uint64) written }
	all := map[int]of{
		8: {inline[value8], pointer[value8]}, 24: {inline[value24], pointer[value24]},
		32: {inline[value32], pointer[value32]}, 64: {inline[value64], pointer[value64]},
		128: {inline[value128], pointer[value128]}, 136: {inline[value136], pointer[value136]},
		256: {inline[value256], pointer[value256]}, 512: {inline[value512], pointer[value512]},
	}
	found, ok := all[size]
	switch {
	case !ok:
		gokit.Fail("values: no values of %d bytes", size)
	case where == "inline":
		return found.inline(n, seed)
	case where == "pointer":
		return found.pointer(n, seed)
	}
	gokit.Fail("values: no place '%s': inline, pointer", where)
	return written{}
}

// A struct with a string, as in the article, and one of 200 bytes.
type user struct {
	ID   int64
	Name string
}
type big struct {
	ID   int64
	rest [192]byte
}

var (
	users   = map[string]user{"key": {1, "a"}}
	bigs    = map[string]big{"key": {}}
	byID    = map[int64]user{}
	bigByID = map[int64]big{}
)

// Allocations of an old key's overwrite, and of a new key where the table has room.
func allocs() map[string]float64 {
	name := "some name"
	const room = 1 << 16
	fresh := func(put func(i int64)) float64 {
		i := int64(0)
		return testing.AllocsPerRun(1000, func() { i++; put(i) })
	}
	byID, bigByID = make(map[int64]user, room), make(map[int64]big, room)
	return map[string]float64{
		"overwrite_user": testing.AllocsPerRun(1000, func() { users["key"] = user{7, name} }),
		"overwrite_big":  testing.AllocsPerRun(1000, func() { bigs["key"] = big{ID: 7} }),
		"new_user":       fresh(func(i int64) { byID[i] = user{i, name} }),
		"new_big":        fresh(func(i int64) { bigByID[i] = big{ID: i} }),
	}
}

// Objects made while a map of n structs grows to 4 n, and without growth where it was made for 4 n.
func growth(n int) map[string]uint64 {
	fill := func(m map[int64]user, from, to int) uint64 {
		before := mallocs()
		for i := from; i < to; i++ {
			m[int64(i)] = user{int64(i), "name"}
		}
		return mallocs() - before
	}
	m := map[int64]user{}
	fill(m, 0, n)
	grown := fill(m, n, 4*n)
	presized := make(map[int64]user, 4*n)
	fill(presized, 0, n)
	return map[string]uint64{"grown": grown, "presized": fill(presized, n, 4*n), "inserts": uint64(3 * n)}
}

// What an assignment copies: headers.  The bytes of a string and the array of a slice are shared.
func sharing() map[string]any {
	type record struct {
		ID   int64
		Name string
		Data []byte
	}
	text := strconv.Itoa(os.Getpid()) + " some text"
	v := record{1, text, []byte(text)}
	m := map[int]record{1: v}
	w := m[1]
	v.Data[0] = '!'
	copied := maps.Clone(m)
	return map[string]any{
		"string_header": unsafe.Sizeof(v.Name), "slice_header": unsafe.Sizeof(v.Data), "struct": unsafe.Sizeof(v),
		"string_struct": unsafe.Sizeof(user{}), "slice_struct": unsafe.Sizeof(struct {
			ID   int64
			Data []byte
		}{}),
		"string_shared": unsafe.StringData(w.Name) == unsafe.StringData(text),
		"slice_shared":  &w.Data[0] == &v.Data[0] && w.Data[0] == '!',
		"struct_copied": func() bool { v.ID = 2; return m[1].ID == 1 }(),
		"clone_shares":  &copied[1].Data[0] == &v.Data[0],
		"padding_equal": paddingEqual(),
	}
}

// Are two keys equal whose fields are, while the bytes between the fields differ?
func paddingEqual() bool {
	type key struct {
		a byte
		b int64
	}
	var x, y key
	*(*byte)(unsafe.Add(unsafe.Pointer(&y), 1)) = 0xff
	m := map[key]int{x: 1}
	m[y] = 2
	return len(m) == 1
}

// A collection marks what has pointers; a map without any is one object to it.
func collect(kind string, n int) map[string]float64 {
	var keep any
	switch kind {
	case "plain":
		m := make(map[int64][4]int64, n)
		for i := 0; i < n; i++ {
			m[int64(i)] = [4]int64{int64(i)}
		}
		keep = m
	case "string":
		m := make(map[int64]struct {
			Name string
			more [2]int64
		}, n)
		for i := 0; i < n; i++ {
			m[int64(i)] = struct {
				Name string
				more [2]int64
			}{Name: strconv.Itoa(i)}
		}
		keep = m
	case "pointer":
		m := make(map[int64]*[4]int64, n)
		for i := 0; i < n; i++ {
			m[int64(i)] = &[4]int64{int64(i)}
		}
		keep = m
	default:
		gokit.Fail("values: no kind '%s': plain, string, pointer", kind)
	}
	runtime.GC()
	start := gokit.ProcessNs()
	wall := time.Now()
	runtime.GC()
	took := map[string]float64{"cpu_us": float64(gokit.ProcessNs()-start) / 1e3, "wall_us": float64(time.Since(wall)) / 1e3}
	runtime.KeepAlive(keep)
	return took
}

func main() {
	runtime.GOMAXPROCS(1)
	args := os.Args[1:]
	var result any
	switch {
	case len(args) == 5 && args[0] == "sizes":
		result = sizes(args[1], gokit.Number(args[2], 0), gokit.Number(args[3], 0), uint64(gokit.Number(args[4], 0)))
	case len(args) == 1 && args[0] == "allocs":
		result = allocs()
	case len(args) == 2 && args[0] == "growth":
		result = growth(gokit.Number(args[1], 0))
	case len(args) == 1 && args[0] == "sharing":
		result = sharing()
	case len(args) == 3 && args[0] == "collect":
		result = collect(args[1], gokit.Number(args[2], 0))
	default:
		gokit.Fail("usage: values sizes WHERE SIZE N SEED | allocs | growth N | sharing | collect KIND N")
	}
	gokit.Answer{"result": result}.Print()
}
