// arrays: buckets and bytes of the bucket arrays of real Go maps (up to 1.23), read from their headers, what the allocator
// gave for them, and a map with 12 keys in one bucket and 3 in the next, as JSON.
package main

import (
	"reflect"
	"runtime"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const (
	most       = 12 // largest B
	headerSize = 48 // of a map
	extraSize  = 24 // of what it has beside, from B = 4 on
)

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
func bucketsOf(h *gokit.Classic, bytes uintptr) uintptr {
	n := uintptr(1) << h.B
	if h.Extra == nil || h.Extra.NextOverflow == nil {
		return n
	}
	b := h.Extra.NextOverflow
	gokit.Must(uintptr(b) == uintptr(h.Buckets)+n*bytes, "overflow buckets do not begin behind the others")
	for *(*unsafe.Pointer)(unsafe.Add(b, bytes-8)) == nil {
		b = unsafe.Add(b, bytes)
	}
	return (uintptr(b)-uintptr(h.Buckets))/bytes + 1
}

var kept []any // what is measured stays alive

func arrays[K comparable, V any](name string) {
	bytes := gokit.BucketSize(reflect.TypeOf(map[K]V(nil)))
	for b := 1; b <= most; b++ {
		m, allocated := made[K, V](13 * (1 << b) / 2)
		kept = append(kept, m)
		h := gokit.ClassicOf(m)
		r := row{Type: name, B: h.B, Bytes: bytes, Buckets: bucketsOf(h, bytes)}
		r.Allocated = allocated - headerSize
		if h.Extra != nil {
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
	h, hash := gokit.ClassicOf(m), *gokit.HashOf(reflect.TypeOf(m))
	mask := uintptr(1)<<h.B - 1
	wanted := [2]int{12, 3}
	for k := uint64(0); wanted != [2]int{}; k++ {
		key := k
		if home := hash(unsafe.Pointer(&key), uintptr(h.Hash0)) & mask; home < 2 && wanted[home] > 0 {
			m[k] = k
			wanted[home]--
		}
	}
	found := make([][2]int, 2)
	for i := range found {
		for b, depth := gokit.At(h.Buckets, uint64(i)), 0; b != nil; b, depth = b.Overflow, depth+1 {
			for _, top := range b.Tops {
				if top >= gokit.MinTopHash {
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
	gokit.Must(gokit.IsClassic(), "this is about Go up to 1.23, not "+runtime.Version())
	kept = make([]any, 0, 4*most) // no growth of it while measuring
	rows = make([]row, 0, 4*most)
	arrays[uint64, uint8]("uint64 to uint8")
	arrays[uint64, uint64]("uint64 to uint64")
	arrays[string, uint64]("string to uint64")
	arrays[string, string]("string to string")
	gokit.Answer{"rows": rows, "made": chains()}.Print()
}
