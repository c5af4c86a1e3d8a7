// The merges of merges.c in Go: its map, and the B-tree that Go programs use, google/btree with degree 32 and a free
// list of nodes.
//
//	merges pair ENGINE HOW u64|str N SEED         ENGINE: map, btree
//	merges batches ENGINE HOW u64|str N SEED      1000 batches, one after the other
//	merges concurrent ENGINE HOW u64|str N SEED   1000 goroutines merge a batch each, under one mutex: wall time
//	merges api                                    what the B-tree's package is made of
//
// Time is processor time of the whole process, collector included; with `concurrent` it is wall time.  Bytes are those
// of runtime.MemStats.TotalAlloc.
package main

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/btree"
	"gomap.invalid/lab/gokit"
)

const (
	batches = 1000
	degree  = 32
)

type entry[K cmp.Ordered] struct {
	key   K
	value uint64
}

type engine[K cmp.Ordered] interface {
	put(K, uint64)
	get(K) (uint64, bool)
	size() int
	each(func(K, uint64))
}

type table[K cmp.Ordered] map[K]uint64

func (t table[K]) put(k K, v uint64)           { t[k] = v }
func (t table[K]) get(k K) (v uint64, ok bool) { v, ok = t[k]; return }
func (t table[K]) size() int                   { return len(t) }
func (t table[K]) each(visit func(K, uint64)) {
	for k, v := range t {
		visit(k, v)
	}
}

type tree[K cmp.Ordered] struct{ *btree.BTreeG[entry[K]] }

func (t tree[K]) put(k K, v uint64) { t.ReplaceOrInsert(entry[K]{k, v}) }
func (t tree[K]) get(k K) (uint64, bool) {
	e, ok := t.Get(entry[K]{key: k})
	return e.value, ok
}
func (t tree[K]) size() int { return t.Len() }
func (t tree[K]) each(visit func(K, uint64)) {
	t.Ascend(func(e entry[K]) bool { visit(e.key, e.value); return true })
}

func makeEngine[K cmp.Ordered](name string, hint int) engine[K] {
	switch name {
	case "map":
		return make(table[K], hint)
	case "btree":
		list := btree.NewFreeListG[entry[K]](btree.DefaultFreeListSize)
		return tree[K]{btree.NewWithFreeListG(degree, func(a, b entry[K]) bool { return a.key < b.key }, list)}
	}
	gokit.Fail("no engine '%s'", name)
	return nil
}

func text(i uint64) string { return fmt.Sprintf("%016x", gokit.Mix(i)) }

// Measuring

func resident(field string) uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		gokit.Fail("%s", err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, field) {
			kib, _ := strconv.ParseUint(strings.Fields(line)[1], 10, 64)
			return kib * 1024
		}
	}
	gokit.Fail("no %s in /proc/self/status", field)
	return 0
}

// measured runs work and prints what it cost; merged is the gokit.Mix of entries it goes through.
func measured(merged int, wall bool, work func() int) {
	runtime.GC()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		gokit.Fail("%s", err)
	}
	var before, after runtime.MemStats
	base := resident("VmRSS:")
	runtime.ReadMemStats(&before)
	start, cpuStart := time.Now(), gokit.ProcessNs()
	entries := work()
	elapsed, used := time.Since(start).Nanoseconds(), gokit.ProcessNs()-cpuStart
	runtime.ReadMemStats(&after)
	peak := max(resident("VmHWM:"), base) - base
	ns := used
	if wall {
		ns = elapsed
	}
	gokit.Answer{
		"ns": ns, "per_entry": float64(ns) / float64(merged), "merged": merged, "entries": entries,
		"calls": after.Mallocs - before.Mallocs, "bytes": after.TotalAlloc - before.TotalAlloc,
		"collections": after.NumGC - before.NumGC, "peak": peak,
	}.Print()
}

// A pair

func fill[K cmp.Ordered](out, in engine[K]) { in.each(out.put) }

func collect[K cmp.Ordered](in engine[K]) []entry[K] {
	all := make([]entry[K], 0, in.size())
	in.each(func(k K, v uint64) { all = append(all, entry[K]{k, v}) })
	return all
}

// putInOrder puts two sorted lists; of equal keys b's comes last.
func putInOrder[K cmp.Ordered](out engine[K], a, b []entry[K]) {
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || (len(a) > 0 && a[0].key <= b[0].key) {
			out.put(a[0].key, a[0].value)
			a = a[1:]
		} else {
			out.put(b[0].key, b[0].value)
			b = b[1:]
		}
	}
}

func byKey[K cmp.Ordered](a, b entry[K]) int { return cmp.Compare(a.key, b.key) }

func merge[K cmp.Ordered](name, how string, a, b engine[K]) engine[K] {
	both := a.size() + b.size()
	hint := map[string]int{"presized": both, "presized15": both + both*15/100, "sorted": both + both*15/100}[how]
	out := a
	if how != "into" {
		out = makeEngine[K](name, hint)
	}
	switch how {
	case "into":
		fill(out, b)
	case "fresh", "presized", "presized15":
		fill(out, a)
		fill(out, b)
	case "sorted", "stream":
		if how == "stream" && name != "btree" { // its entries are sorted as they come
			gokit.Fail("%s cannot merge '%s'", name, how)
		}
		x, y := collect(a), collect(b)
		if how == "sorted" {
			slices.SortFunc(x, byKey[K])
			slices.SortFunc(y, byKey[K])
		}
		putInOrder(out, x, y)
	default:
		gokit.Fail("no way to merge '%s'", how)
	}
	return out
}

func expect[K cmp.Ordered](e engine[K], k K, want uint64) {
	if got, ok := e.get(k); !ok || got != want {
		gokit.Fail("a key was lost, or its value is not the last one put")
	}
}

func pair[K cmp.Ordered](name, how string, n int, seed uint64, key func(uint64) K) {
	a, b := makeEngine[K](name, 0), makeEngine[K](name, 0)
	at := func(i int) K { return key(seed<<32 + uint64(i)) }
	for i := 0; i < n; i++ {
		a.put(at(i), uint64(i))
		b.put(at(n/2+i), uint64(n+i))
	}
	merged := 2 * n
	if how == "into" {
		merged = n
	}
	var out engine[K]
	measured(merged, false, func() int { out = merge(name, how, a, b); return out.size() })
	if out.size() != n+n/2 {
		gokit.Fail("%s %s: %d entries, not %d", name, how, out.size(), n+n/2)
	}
	for i := 0; i < n+n/2; i++ {
		if i < n/2 {
			expect(out, at(i), uint64(i))
		} else {
			expect(out, at(i), uint64(n+i-n/2))
		}
	}
	runtime.KeepAlive(a)
}

// Batches

func manyBatches[K cmp.Ordered](name, how string, n int, seed uint64, concurrent bool, key func(uint64) K) {
	each := n / batches
	n = each * batches
	all := make([]entry[K], n)
	last := map[uint64]uint64{}
	for i := range all {
		draw := gokit.Mix(seed<<32^^uint64(i)) % uint64(n)
		last[draw] = uint64(i / each)
		all[i] = entry[K]{key(seed<<32 + draw), uint64(i / each)}
	}
	hint := 0
	if strings.HasPrefix(how, "presized") {
		hint = n
	}
	if strings.HasSuffix(how, "-sorted") {
		for i := 0; i < n; i += each {
			slices.SortFunc(all[i:i+each], byKey[K])
		}
	}
	var out engine[K]
	var lock sync.Mutex
	mergeOne := func(batch []entry[K]) {
		for i := range batch {
			out.put(batch[i].key, batch[i].value)
		}
	}
	measured(n, concurrent, func() int {
		out = makeEngine[K](name, hint)
		var allDone sync.WaitGroup
		for i := 0; i < n; i += each {
			batch := all[i : i+each]
			if !concurrent {
				mergeOne(batch)
				continue
			}
			allDone.Add(1)
			go func() {
				defer allDone.Done()
				lock.Lock()
				mergeOne(batch)
				lock.Unlock()
			}()
		}
		allDone.Wait()
		return out.size()
	})
	if out.size() != len(last) {
		gokit.Fail("%s: %d entries, not %d", name, out.size(), len(last))
	}
	for draw, value := range last {
		if got, ok := out.get(key(seed<<32 + draw)); !ok || (got != value && !concurrent) {
			gokit.Fail("%s: a key was lost, or its value is not the last one put", name)
		}
	}
}

// What the package is made of, asked of the program itself.
func api() {
	about := gokit.Answer{}
	t := reflect.TypeOf(btree.NewG[int](degree, btree.Less[int]()))
	_, inOrder := t.MethodByName("InOrder")
	_, ascend := t.MethodByName("Ascend")
	less := reflect.TypeOf(btree.NewG[int]).NumIn() == 2
	about["InOrder"], about["Ascend"], about["constructor_needs_less"] = inOrder, ascend, less
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if strings.HasSuffix(module.Path, "/btree") {
				about["module"] = module.Path + " " + module.Version
			}
		}
	}
	about.Print()
}

func run[K cmp.Ordered](what, name, how string, n int, seed uint64, key func(uint64) K) {
	switch what {
	case "pair":
		pair(name, how, n, seed, key)
	case "batches", "concurrent":
		manyBatches(name, how, n, seed, what == "concurrent", key)
	default:
		gokit.Fail("no mode '%s'", what)
	}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "api" {
		api()
		return
	}
	if len(os.Args) != 7 {
		gokit.Fail("usage: merges pair|batches|concurrent ENGINE HOW u64|str N SEED, or merges api")
	}
	n, seed := gokit.Number(os.Args[5], batches), uint64(gokit.Number(os.Args[6], 0))
	if os.Args[4] == "str" {
		run(os.Args[1], os.Args[2], os.Args[3], n, seed, text)
	} else {
		run(os.Args[1], os.Args[2], os.Args[3], n, seed, gokit.Mix)
	}
}
