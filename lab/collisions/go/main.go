// flood N SEED: attacks a real Go map whose hash seed is known, and one whose seed is not.
//
// The seed is read from the map's header and the hash function from the map type's descriptor; N keys are found by trying
// whose hashes agree in the BITS low bits.  Up to Go 1.23 these choose the bucket; since 1.24 they are the control byte
// (7 bits) and the group within a table of the largest size (7 bits).  Then the same keys go into that map and into a fresh
// one, N random keys into a third.  Times are of lookups of N keys, the best of five passes.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

const bits = 14

// Up to 1.23: count, flags, B, noverflow, hash0, buckets.  Since 1.24: used, seed.
type header struct {
	count   int
	flags   uint8
	b       uint8
	over    uint16
	hash0   uint32
	buckets unsafe.Pointer
}

var classic = strings.HasPrefix(runtime.Version(), "go1.23")

func headerOf(m map[uint64]uint64) *header { return *(**header)(unsafe.Pointer(&m)) }

func seedOf(m map[uint64]uint64) uintptr {
	if classic {
		return uintptr(headerOf(m).hash0)
	}
	return *(*uintptr)(unsafe.Add(unsafe.Pointer(headerOf(m)), 8))
}

func hasherOf(m any) func(unsafe.Pointer, uintptr) uintptr {
	descriptor := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	return *(*func(unsafe.Pointer, uintptr) uintptr)(unsafe.Add(descriptor, 72))
}

// Overflow buckets of the longest chain; -1 since 1.24, where there are none.
func longest(m map[uint64]uint64) int {
	if !classic {
		return -1
	}
	const bucketSize, overflow = 144, 136
	h, most := headerOf(m), 0
	for i := uintptr(0); i < 1<<h.b; i++ {
		n := 0
		for at := *(*unsafe.Pointer)(unsafe.Add(h.buckets, i*bucketSize+overflow)); at != nil; n++ {
			at = *(*unsafe.Pointer)(unsafe.Add(at, overflow))
		}
		most = max(most, n)
	}
	return most
}

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
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
		if found != len(keys) {
			fmt.Fprintln(os.Stderr, "a key was lost")
			os.Exit(1)
		}
	}
	return float64(best.Nanoseconds()) / float64(len(keys))
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: flood N SEED")
		os.Exit(2)
	}
	n, _ := strconv.Atoi(os.Args[1])
	start, _ := strconv.Atoi(os.Args[2])
	victim, fresh, random := map[uint64]uint64{}, map[uint64]uint64{}, map[uint64]uint64{}
	victim[0] = 0 // it has its seed now, and keeps it as long as it is not empty
	hash, seed := hasherOf(victim), seedOf(victim)
	var chosen, others []uint64
	for try := mix(uint64(start)); len(chosen) < n; try++ {
		k := mix(try)
		if hash(unsafe.Pointer(&k), seed)&(1<<bits-1) == 0 {
			chosen = append(chosen, k)
		} else if len(others) < n {
			others = append(others, k)
		}
	}
	for i := range chosen {
		victim[chosen[i]], fresh[chosen[i]], random[others[i]] = 1, 1, 1
	}
	if seedOf(victim) != seed {
		fmt.Fprintln(os.Stderr, "the seed changed meanwhile")
		os.Exit(1)
	}
	result := map[string]any{"go": runtime.Version(), "n": n}
	for name, m := range map[string]map[uint64]uint64{"known": victim, "fresh": fresh} {
		result[name] = map[string]any{"ns": lookups(m, chosen), "longest": longest(m)}
	}
	result["random"] = map[string]any{"ns": lookups(random, others), "longest": longest(random)}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		os.Exit(1)
	}
}
