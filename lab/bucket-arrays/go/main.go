// arrays: buckets and bytes of the bucket arrays of real Go maps (up to 1.23), read from their headers, what the allocator
// gave for them, and a map with 12 keys in one bucket and 3 in the next, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"
)

const (
	most       = 12 // largest B
	headerSize = 48 // of a map
	extraSize  = 24 // of what it has beside, from B = 4 on
)

func check(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "arrays:", what)
		os.Exit(1)
	}
}

func word(p unsafe.Pointer, offset uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(p, offset))
}

type row struct {
	Type      string  `json:"type"`
	B         uint8   `json:"B"`
	Bytes     uintptr `json:"bytes"`     // of a bucket
	Buckets   uintptr `json:"buckets"`   // of the array, those for overflow included
	Allocated uint64  `json:"allocated"` // for the array
	Class     int     `json:"class"`     // the allocator's size class; 0: a large object
}

var rows []row

// bucketsOf counts the buckets of an array: those for overflow end at the first one whose overflow word is set.
func bucketsOf(h unsafe.Pointer, bytes uintptr) uintptr {
	n, first := uintptr(1)<<*(*uint8)(unsafe.Add(h, 9)), word(h, 16)
	extra := word(h, 40)
	if extra == nil || word(extra, 16) == nil {
		return n
	}
	b := word(extra, 16)
	check(uintptr(b) == uintptr(first)+n*bytes, "overflow buckets do not begin behind the others")
	for word(b, bytes-8) == nil {
		b = unsafe.Add(b, bytes)
	}
	return (uintptr(b)-uintptr(first))/bytes + 1
}

var kept []interface{} // what is measured stays alive

func arrays[K comparable, V any](name string) {
	var typed interface{} = map[K]V(nil)
	bytes := *(*uintptr)(word(*(*unsafe.Pointer)(unsafe.Pointer(&typed)), 64))
	for b := 1; b <= most; b++ {
		m, allocated := made[K, V](13 * (1 << b) / 2)
		kept = append(kept, m)
		h := *(*unsafe.Pointer)(unsafe.Pointer(&m))
		r := row{Type: name, B: *(*uint8)(unsafe.Add(h, 9)), Bytes: bytes, Buckets: bucketsOf(h, bytes)}
		r.Allocated = allocated - headerSize
		if word(h, 40) != nil {
			r.Allocated -= extraSize
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		for class, size := range stats.BySize {
			if uint64(size.Size) == r.Allocated {
				r.Class = class
			}
		}
		rows = append(rows, r)
	}
}

// made returns a map of that capacity and what the allocator handed out for it: the least of a few times, since the
// runtime allocates for itself now and then.
func made[K comparable, V any](hint int) (m map[K]V, least uint64) {
	for i := 0; i < 5; i++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m = make(map[K]V, hint)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; i == 0 || took < least {
			least = took
		}
	}
	return
}

// chains makes a map whose keys are chosen by their hash, and counts keys and overflow buckets of its chains 0 and 1.
func chains() [][2]int {
	m := make(map[uint64]uint64, 15)
	var typed interface{} = m
	desc, h := *(*unsafe.Pointer)(unsafe.Pointer(&typed)), *(*unsafe.Pointer)(unsafe.Pointer(&m))
	hash := *(*func(unsafe.Pointer, uintptr) uintptr)(unsafe.Add(desc, 72))
	seed, mask := uintptr(*(*uint32)(unsafe.Add(h, 12))), uintptr(1)<<*(*uint8)(unsafe.Add(h, 9))-1
	wanted := [2]int{12, 3}
	for k := uint64(0); wanted != [2]int{}; k++ {
		key := k
		if home := hash(unsafe.Pointer(&key), seed) & mask; home < 2 && wanted[home] > 0 {
			m[k] = k
			wanted[home]--
		}
	}
	found := make([][2]int, 2)
	for i := range found {
		for b, depth := unsafe.Add(word(h, 16), 144*i), 0; b != nil; b, depth = word(b, 136), depth+1 {
			for slot := 0; slot < 8; slot++ {
				if *(*uint8)(unsafe.Add(b, slot)) >= 5 {
					found[i][0]++
				}
			}
			found[i][1] = depth
		}
	}
	runtime.KeepAlive(m)
	return found
}

func main() {
	var minor int
	_, err := fmt.Sscanf(runtime.Version(), "go1.%d", &minor)
	check(err == nil && minor < 24, "this is about Go up to 1.23, not "+runtime.Version())
	kept = append(make([]interface{}, 0, 4*most), strconv.Itoa(minor)) // no growth of it while measuring
	rows = make([]row, 0, 4*most)
	arrays[uint64, uint8]("uint64 to uint8")
	arrays[uint64, uint64]("uint64 to uint64")
	arrays[string, uint64]("string to uint64")
	arrays[string, string]("string to string")
	out := map[string]interface{}{"version": runtime.Version(), "rows": rows, "made": chains()}
	check(json.NewEncoder(os.Stdout).Encode(out) == nil, "cannot write")
}
