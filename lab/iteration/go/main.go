// iteration asks Go's own map what ../iteration.c asks the maps in C.
//
//	iteration pass N LEFT SEEDING    ns per entry of a pass over a map[string]uint64, LEFT percent of whose N entries
//	                                 are left
//	iteration order N TIMES          do passes over one map begin at other entries, and what do they share?
//
// SEEDING is the hash seed, written into the header before the first insert, or 0 for the one Go draws: hash0 at offset
// 12 of the classic header, the seed at 8 of the one since Go 1.24.  Go hashes with keys of the process besides, so
// another process has another table all the same.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func must(ok bool, what string) {
	if !ok {
		fail("%s", what)
	}
}

type answer map[string]any

func (a answer) print() {
	a["version"] = runtime.Version()
	text, err := json.Marshal(a)
	must(err == nil, "no JSON")
	fmt.Println(string(text))
}

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func number(text string, least int) int {
	n, err := strconv.Atoi(text)
	must(err == nil && n >= least, "'"+text+"' is no number")
	return n
}

// isClassic: Go had this map by default up to 1.23.
func isClassic() bool {
	v := runtime.Version()
	for _, minor := range []string{"1.19", "1.20", "1.21", "1.22", "1.23"} {
		if v == "go"+minor || strings.HasPrefix(v, "go"+minor+".") {
			return true
		}
	}
	return false
}

func cpuNs() int64 {
	var t syscall.Timespec
	_, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 3, uintptr(unsafe.Pointer(&t)), 0) // of this thread
	must(err == 0, "no such clock")
	return t.Nano()
}

func fixSeed(m map[string]uint64, seed uint32) {
	header := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	if isClassic() {
		*(*uint32)(unsafe.Add(header, 12)) = seed
	} else {
		*(*uint64)(unsafe.Add(header, 8)) = mix(uint64(seed))
	}
}

func pass(n, left int, seed uint32) {
	runtime.LockOSThread()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%016x", mix(1*0x1000003+uint64(i)))
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
		start := cpuNs()
		for key, value := range m {
			entries++
			values += value
			for b := 0; b < len(key); b += 8 {
				bytes += uint64(key[b])
			}
		}
		best = min(best, cpuNs()-start)
		must(entries == left && values == want && bytes > 0, "a pass has missed entries, or seen some twice")
	}
	answer{"ns": float64(best) / float64(left)}.print()
}

// bucketOf gives the bucket of each key in the classic map: 144 bytes, keys at 8, the overflow word at 136.
func bucketOf(m map[uint64]uint64) (where map[uint64]uintptr, buckets uintptr) {
	header := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	must(*(*unsafe.Pointer)(unsafe.Add(header, 24)) == nil, "the map is growing")
	where, buckets = map[uint64]uintptr{}, 1<<*(*uint8)(unsafe.Add(header, 9))
	for i := uintptr(0); i < buckets; i++ {
		array := *(*unsafe.Pointer)(unsafe.Add(header, 16))
		for b := unsafe.Add(array, i*144); b != nil; b = *(*unsafe.Pointer)(unsafe.Add(b, 136)) {
			for k, top := range (*[8]uint8)(b) {
				if top >= 5 {
					where[(*[8]uint64)(unsafe.Add(b, 8))[k]] = i
				}
			}
		}
	}
	must(len(where) == len(m), "the buckets were misread")
	return
}

func order(n, times int) {
	m := make(map[uint64]uint64, n)
	for i := 0; i < n; i++ {
		m[mix(uint64(i))] = uint64(i)
	}
	a, firsts, circles := answer{"times": times}, map[uint64]bool{}, 0
	where, buckets := map[uint64]uintptr{}, uintptr(1)
	if isClassic() {
		where, buckets = bucketOf(m)
	}
	for i := 0; i < times; i++ {
		walked, last, first := uintptr(0), uintptr(0), true
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
	if isClassic() {
		a["in_a_circle"] = circles
	}
	a.print()
}

func main() {
	debug.SetGCPercent(-1)
	switch args := os.Args[1:]; {
	case len(args) == 4 && args[0] == "pass":
		n := number(args[1], 100)
		pass(n, n*number(args[2], 1)/100, uint32(number(args[3], 0)))
	case len(args) == 3 && args[0] == "order":
		order(number(args[1], 10), number(args[2], 1))
	default:
		fail("usage: iteration pass N LEFT SEEDING, iteration order N TIMES")
	}
}
