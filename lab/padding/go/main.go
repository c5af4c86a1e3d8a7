// padding TYPE ENTRIES SEED: what a value type costs a Go map of strings: bytes per entry, processor time of a lookup, of
// a sweep over all entries and of a collection with the map alive, and the pauses of that collection, as JSON.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

type (
	single struct{ b byte }
	padded struct {
		b byte
		_ [7]byte
	}
)

const (
	processTime = 2 // CLOCK_PROCESS_CPUTIME_ID: the collector's threads count
	passes      = 3
	collections = 5
)

func fail(what string) {
	fmt.Fprintln(os.Stderr, "padding:", what)
	os.Exit(1)
}

func now() time.Duration {
	var t syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processTime, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		fail(err.Error())
	}
	return time.Duration(t.Nano())
}

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func heap() runtime.MemStats {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s
}

func best(n int, pass func() int) float64 {
	least := time.Duration(1 << 62)
	for i := 0; i < passes; i++ {
		start := now()
		seen := pass()
		if took := now() - start; took < least {
			least = took
		}
		if seen != n {
			fail("not every entry was seen once")
		}
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
	paused, start := heap().PauseTotalNs, now()
	for i := 0; i < collections; i++ {
		runtime.GC()
	}
	collect := now() - start
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(m)
	fmt.Printf(`{"version":%q,"bytes":%.3f,"hit_ns":%.3f,"sweep_ns":%.3f,"collect_us":%.1f,"pause_us":%.2f}`+"\n",
		runtime.Version(), bytes, hit, sweep, float64(collect.Microseconds())/collections,
		float64(after.PauseTotalNs-paused)/1e3/collections)
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: padding TYPE ENTRIES SEED")
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil || n < 1 || n%7919 == 0 {
		fail("entries: " + os.Args[2])
	}
	seed, err := strconv.ParseUint(os.Args[3], 10, 32)
	if err != nil {
		fail("seed: " + os.Args[3])
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%016x", mix(seed<<32|uint64(i)))
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
		fail("type: " + os.Args[1])
	}
}
