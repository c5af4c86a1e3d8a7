// flood N SEED: attacks a real Go map whose hash seed is known, and one whose seed is not.
//
// The seed is read from the map's header and the hash function from the map type's descriptor; N keys are found by trying
// whose hashes agree in the BITS low bits.  Up to Go 1.23 these choose the bucket; since 1.24 they are the control byte
// (7 bits) and the group within a table of the largest size (7 bits).  Then the same keys go into that map and into a fresh
// one, N random keys into a third.  Times are of lookups of N keys, the best of five passes.
package main

import (
	"os"
	"reflect"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const bits = 14

// Overflow buckets of the longest chain; -1 since 1.24, where there are none.
func longest(m map[uint64]uint64) int {
	if !gokit.IsClassic() {
		return -1
	}
	h, most := gokit.ClassicOf(m), 0
	for i := uint64(0); i < 1<<h.B; i++ {
		n := 0
		for b := gokit.At(h.Buckets, i).Overflow; b != nil; b = b.Overflow {
			n++
		}
		most = max(most, n)
	}
	return most
}

func lookups(m map[uint64]uint64, keys []uint64) float64 {
	best := time.Duration(1 << 62)
	for pass := 0; pass < 5; pass++ {
		found, start := 0, time.Now()
		for _, k := range keys {
			if _, ok := m[k]; ok {
				found++
			}
		}
		best = min(best, time.Since(start))
		gokit.Must(found == len(keys), "a key was lost")
	}
	return float64(best.Nanoseconds()) / float64(len(keys))
}

func main() {
	gokit.Must(len(os.Args) == 3, "usage: flood N SEED")
	n, start := gokit.Number(os.Args[1], 1), gokit.Number(os.Args[2], 0)
	victim, fresh, random := map[uint64]uint64{}, map[uint64]uint64{}, map[uint64]uint64{}
	victim[0] = 0 // it has its seed now, and keeps it as long as it is not empty
	hash, seed := *gokit.HashOf(reflect.TypeOf(victim)), gokit.SeedOf(victim)
	var chosen, others []uint64
	for try := gokit.Mix(uint64(start)); len(chosen) < n; try++ {
		k := gokit.Mix(try)
		if hash(unsafe.Pointer(&k), seed)&(1<<bits-1) == 0 {
			chosen = append(chosen, k)
		} else if len(others) < n {
			others = append(others, k)
		}
	}
	for i := range chosen {
		victim[chosen[i]], fresh[chosen[i]], random[others[i]] = 1, 1, 1
	}
	gokit.Must(gokit.SeedOf(victim) == seed, "the seed changed meanwhile")
	answer := gokit.Answer{"n": n}
	for name, m := range map[string]map[uint64]uint64{"known": victim, "fresh": fresh} {
		answer[name] = map[string]any{"ns": lookups(m, chosen), "longest": longest(m)}
	}
	answer["random"] = map[string]any{"ns": lookups(random, others), "longest": longest(random)}
	answer.Print()
}
