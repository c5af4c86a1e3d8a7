// iteration asks Go's own map what ../iteration.c asks the maps in C.
//
//	iteration pass N LEFT SEEDING    ns per entry of a pass over a map[string]uint64, LEFT percent of whose N entries
//	                                 are left
//	iteration order N TIMES          do passes over one map begin at other entries, and what do they share?
//
// SEEDING is the hash seed, written into the header before the first insert, or 0 for the one Go draws.  Go hashes with
// keys of the process besides, so another process has another table all the same.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"gomap.invalid/lab/gokit"
)

func fixSeed(m map[string]uint64, seed uint32) {
	if gokit.IsClassic() {
		gokit.ClassicOf(m).Hash0 = seed
	} else {
		gokit.SwissOf(m).Seed = uintptr(gokit.Mix(uint64(seed)))
	}
}

func pass(n, left int, seed uint32) {
	runtime.LockOSThread()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%016x", gokit.Key(1, uint64(i)))
	}
	m := map[string]uint64{}
	if seed != 0 {
		fixSeed(m, seed)
	}
	want := uint64(0)
	for i, key := range keys {
		m[key] = uint64(i)
	}
	for _, key := range keys[left:] {
		delete(m, key)
	}
	for i := range keys[:left] {
		want += uint64(i)
	}
	best := int64(1) << 62
	for i := 0; i < 3; i++ {
		entries, values, bytes := 0, uint64(0), uint64(0)
		start := gokit.ThreadNs()
		for key, value := range m {
			entries++
			values += value
			for b := 0; b < len(key); b += 8 {
				bytes += uint64(key[b])
			}
		}
		best = min(best, gokit.ThreadNs()-start)
		gokit.Must(entries == left && values == want && bytes > 0, "a pass has missed entries, or seen some twice")
	}
	gokit.Answer{"ns": float64(best) / float64(left)}.Print()
}

// bucketOf gives the bucket of each key in the classic map.
func bucketOf(m map[uint64]uint64) (where map[uint64]uint64, buckets uint64) {
	h := gokit.ClassicOf(m)
	gokit.Must(!h.Growing(), "the map is growing")
	where, buckets = map[uint64]uint64{}, 1<<h.B
	for i := uint64(0); i < buckets; i++ {
		for b := gokit.At(h.Buckets, i); b != nil; b = b.Overflow {
			for k, top := range b.Tops {
				if top >= gokit.MinTopHash {
					where[b.Keys[k]] = i
				}
			}
		}
	}
	gokit.Must(len(where) == len(m), "the buckets were misread")
	return
}

func order(n, times int) {
	m := make(map[uint64]uint64, n)
	for i := 0; i < n; i++ {
		m[gokit.Mix(uint64(i))] = uint64(i)
	}
	a, firsts, circles := gokit.Answer{"times": times}, map[uint64]bool{}, 0
	where, buckets := map[uint64]uint64{}, uint64(1)
	if gokit.IsClassic() {
		where, buckets = bucketOf(m)
	}
	for i := 0; i < times; i++ {
		walked, last, first := uint64(0), uint64(0), true
		for key := range m {
			if first {
				firsts[key] = true
			} else {
				walked += (where[key] + buckets - last) % buckets
			}
			last, first = where[key], false
		}
		if walked < buckets {
			circles++
		}
	}
	a["different_firsts"] = len(firsts)
	if gokit.IsClassic() {
		a["in_a_circle"] = circles
	}
	a.Print()
}

func main() {
	debug.SetGCPercent(-1)
	switch args := os.Args[1:]; {
	case len(args) == 4 && args[0] == "pass":
		n := gokit.Number(args[1], 100)
		pass(n, n*gokit.Number(args[2], 1)/100, uint32(gokit.Number(args[3], 0)))
	case len(args) == 3 && args[0] == "order":
		order(gokit.Number(args[1], 10), gokit.Number(args[2], 1))
	default:
		gokit.Fail("usage: iteration pass N LEFT SEEDING, iteration order N TIMES")
	}
}
