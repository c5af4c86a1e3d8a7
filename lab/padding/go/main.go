// padding TYPE ENTRIES SEED: what a value type costs a Go map of strings: bytes per entry, processor time of a lookup, of
// a sweep over all entries and of a collection with the map alive, and the pauses of that collection, as JSON.
package main

import (
	"fmt"
	"os"
	"runtime"

	"gomap.invalid/lab/gokit"
)

type (
	single struct{ b byte }
	padded struct {
		b byte
		_ [7]byte
	}
)

const (
	passes      = 3
	collections = 5
)

func heap() runtime.MemStats {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s
}

func best(n int, pass func() int) float64 {
	least := int64(1) << 62
	for i := 0; i < passes; i++ {
		start := gokit.ProcessNs()
		seen := pass()
		if took := gokit.ProcessNs() - start; took < least {
			least = took
		}
		gokit.Must(seen == n, "not every entry was seen once")
	}
	return float64(least) / float64(n)
}

func measure[V comparable](keys []string, value V) {
	before := heap()
	m := map[string]V{}
	for _, k := range keys {
		m[k] = value
	}
	bytes := float64(heap().HeapAlloc-before.HeapAlloc) / float64(len(keys))
	hit := best(len(keys), func() (seen int) {
		for i, at := 0, 0; i < len(keys); i++ {
			at = (at + 7919) % len(keys)
			if m[keys[at]] == value {
				seen++
			}
		}
		return
	})
	sweep := best(len(keys), func() (seen int) {
		for _, v := range m {
			if v == value {
				seen++
			}
		}
		return
	})
	paused, start := heap().PauseTotalNs, gokit.ProcessNs()
	for i := 0; i < collections; i++ {
		runtime.GC()
	}
	collect := gokit.ProcessNs() - start
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(m)
	gokit.Answer{"bytes": bytes, "hit_ns": hit, "sweep_ns": sweep, "collect_us": float64(collect) / 1e3 / collections,
		"pause_us": float64(after.PauseTotalNs-paused) / 1e3 / collections}.Print()
}

func main() {
	gokit.Must(len(os.Args) == 4, "usage: padding TYPE ENTRIES SEED")
	n, seed := gokit.Number(os.Args[2], 1), uint64(gokit.Number(os.Args[3], 0))
	gokit.Must(n%7919 != 0, "a step of 7919 would not reach all of so many entries")
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%016x", gokit.Mix(seed<<32|uint64(i)))
	}
	switch os.Args[1] {
	case "struct1":
		measure(keys, single{1})
	case "array1":
		measure(keys, [1]byte{1})
	case "padded8":
		measure(keys, padded{b: 1})
	case "int2":
		measure(keys, int16(1))
	case "int4":
		measure(keys, int32(1))
	case "int8":
		measure(keys, int64(1))
	case "pair16":
		measure(keys, [2]int64{1, 1})
	default:
		gokit.Fail("no type '%s'", os.Args[1])
	}
}
