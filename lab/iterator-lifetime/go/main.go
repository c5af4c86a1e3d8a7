// iterate N: ranges over a real Go map of N entries that grows many times meanwhile, under GODEBUG=clobberfree=1, where the
// collector overwrites what it frees.
//
// Each entry that stays must come once, with its value.  With the classic map (up to 1.23) the bucket array the iteration
// began in is looked at by its bare address, which no collector sees: as long as the iteration runs, its tophash bytes must
// be marks of evacuated slots (2, 3, 4); when it is over, and the collector has run, they must have been overwritten.
package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const (
	pattern    = 0xdeadbeefdeadbeef
	bucketSize = 8 + 8*8 + 8*16 + 8
)

// Bits of the bucket number; since 1.24 of the directory of tables.
func bOf(m map[uint64]string) uint8 {
	if gokit.IsClassic() {
		return gokit.ClassicOf(m).B
	}
	return gokit.SwissOf(m).GlobalDepth
}

func valueOf(k uint64) string { return "value " + strconv.FormatUint(k*k, 36) }

//go:nocheckptr
func tops(address uintptr) [8]byte { return *(*[8]byte)(*(*unsafe.Pointer)(unsafe.Pointer(&address))) }

//go:nocheckptr
func word(address uintptr) uint64 { return *(*uint64)(*(*unsafe.Pointer)(unsafe.Pointer(&address))) }

func collect() {
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
}

type result struct {
	Version     string `json:"version"`
	Entries     int    `json:"entries"`
	Twice       int    `json:"twice"`
	Wrong       int    `json:"wrong"`
	Missing     int    `json:"missing"`
	DeletedSeen int    `json:"deleted_seen"`
	BBefore     uint8  `json:"b_before"`
	BAfter      uint8  `json:"b_after"`
	AliveWhile  bool   `json:"alive_while"` // the old array, while the iteration ran and the map had replaced it
	FreedAfter  bool   `json:"freed_after"`
}

//go:noinline
func iterate(m map[uint64]string, n int, r *result) (old uintptr) {
	seen, gone, next := make([]uint8, n), make([]bool, n), uint64(n)
	h := gokit.ClassicOf(m)
	old, r.BBefore = uintptr(h.Buckets), bOf(m) // not a pointer: it shall keep nothing alive
	steps := 0
	for k, v := range m {
		if v != valueOf(k) {
			r.Wrong++
		}
		if k < uint64(n) {
			if seen[k]++; seen[k] == 2 {
				r.Twice++
			}
			if gone[k] {
				r.DeletedSeen++
			}
		}
		if steps < n/2 {
			for i := 0; i < 20; i++ {
				m[next] = valueOf(next)
				next++
			}
			if victim := uint64(steps) * 2654435761 % uint64(n); steps%4 == 0 && seen[victim] == 0 {
				delete(m, victim)
				gone[victim] = true
			}
		}
		if steps++; steps == n/2 {
			collect()
			if gokit.IsClassic() {
				replaced := uintptr(h.Buckets) != old && uintptr(h.Oldbuckets) != old
				gokit.Must(replaced, "the map did not replace its array")
				r.AliveWhile = true
				for _, top := range tops(old) {
					r.AliveWhile = r.AliveWhile && top >= 2 && top <= 4
				}
			}
		}
	}
	for k := range seen {
		if seen[k] == 0 && !gone[k] {
			r.Missing++
		}
	}
	r.BAfter = bOf(m)
	return old
}

func main() {
	clobbers := strings.Contains(os.Getenv("GODEBUG"), "clobberfree=1")
	gokit.Must(len(os.Args) == 2 && clobbers, "usage: GODEBUG=clobberfree=1 iterate N")
	n := gokit.Number(os.Args[1], 1)
	r := result{Version: runtime.Version(), Entries: n}
	m := map[uint64]string{}
	for k := uint64(0); k < uint64(n) || gokit.IsClassic() && gokit.ClassicOf(m).Growing(); k++ {
		m[k], n = valueOf(k), max(n, int(k)+1)
	}
	r.Entries = n
	collect()
	old := iterate(m, n, &r)
	collect()
	for i := uintptr(0); gokit.IsClassic() && i < 1<<r.BBefore; i++ { // some of it may be in use again
		r.FreedAfter = r.FreedAfter || word(old+i*bucketSize) == pattern
	}
	runtime.KeepAlive(m)
	gokit.Print(r)
}
