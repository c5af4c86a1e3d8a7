// tophash asks Go's own map what ../tophash.c asks the classic one.
//
//	tophash lookups SLOTS ENTRIES SEED    comparisons and hashes per lookup, with room for SLOTS*13/16 entries
//	tophash uses SEED                     which lookups find keys under wrong tophash bytes (classic map only)
//	tophash times N SEED                  ns per lookup in a map[uint64]string of N entries, as compiled
//
// A struct type and a map type made at run time have their functions in writable memory: the equality of the key's, the hash
// of the map's.  Both are replaced by ones that count; maps of structs take the generic path.  "Off" means that
// all keys have the same filter byte: tophash, the hash's high eight bits, or since Go 1.24 its low seven.
package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

// ---- counts ----

var compared, hashed int

// countingMap makes a map type whose functions count; off: its filter byte is the same for all keys.
func countingMap(off bool, room int) (m, key reflect.Value) {
	name := map[bool]string{false: "Filtered", true: "Unfiltered"}[off] // two types
	keyType := reflect.StructOf([]reflect.StructField{{Name: name, Type: reflect.TypeOf(uint64(0))}})
	*gokit.EqualOf(keyType) = func(a, b unsafe.Pointer) bool { compared++; return *(*uint64)(a) == *(*uint64)(b) }
	mapType := reflect.MapOf(keyType, reflect.TypeOf(uint64(0)))
	*gokit.HashOf(mapType) = func(p unsafe.Pointer, seed uintptr) uintptr {
		hashed++
		hash := gokit.Mix(*(*uint64)(p) ^ uint64(seed))
		if off && gokit.IsClassic() {
			hash = hash&^(0xff<<56) | 7<<56
		} else if off {
			hash &^= 0x7f
		}
		return uintptr(hash)
	}
	return reflect.MakeMapWithSize(mapType, room), reflect.New(keyType).Elem()
}

func count(off bool, room, n int, seed uint64) gokit.Answer {
	m, key := countingMap(off, room)
	set := func(i int) reflect.Value { key.Field(0).SetUint(gokit.Key(seed, uint64(i))); return key }
	for i := 0; i < n; i++ {
		m.SetMapIndex(set(i), reflect.ValueOf(uint64(i)))
	}
	a := gokit.Answer{}
	for name, first := range map[string]int{"hit": 0, "miss": n} {
		found := 0
		compared, hashed = 0, 0
		for i := first; i < first+n; i++ {
			if m.MapIndex(set(i)).IsValid() {
				found++
			}
		}
		gokit.Must(found == map[string]int{"hit": n, "miss": 0}[name], "a lookup has found too little or too much")
		a[name] = gokit.Answer{"compared": float64(compared) / float64(n), "hashed": float64(hashed) / float64(n)}
	}
	return a
}

func lookups(slots, n int, seed uint64) {
	room := slots * 13 / 16
	gokit.Must(n <= room, "more entries than there is room for")
	gokit.Answer{"on": count(false, room, n, seed), "off": count(true, room, n, seed)}.Print()
}

// ---- wrong tophash bytes ----

// spoil makes every tophash byte of an entry that of another hash.
func spoil[K comparable, V any](m map[K]V) {
	var key K
	var value V
	h, size := gokit.ClassicOf(m), 8+8*unsafe.Sizeof(key)+8*unsafe.Sizeof(value)+8
	for i := uintptr(0); i < 1<<h.B; i++ {
		for at := unsafe.Add(h.Buckets, i*size); at != nil; at = *(*unsafe.Pointer)(unsafe.Add(at, size-8)) {
			for k, top := range (*[8]uint8)(at) {
				if top == 255 {
					(*[8]uint8)(at)[k] = gokit.MinTopHash
				} else if top >= gokit.MinTopHash {
					(*[8]uint8)(at)[k]++
				}
			}
		}
	}
}

func uses(seed uint64) {
	if !gokit.IsClassic() {
		gokit.Answer{"classic": false}.Print()
		return
	}
	const n = 5000
	ints, texts, lists := make(map[uint64]string, n), make(map[string]uint64, n), make(map[[3]uint64]uint64, n)
	list := func(i uint64) [3]uint64 { return [3]uint64{gokit.Mix(seed + i), i, seed} }
	for i := uint64(0); i < n; i++ {
		ints[gokit.Mix(seed+i)], texts[strconv.FormatUint(gokit.Mix(seed+i), 16)], lists[list(i)] = "value", i, i
	}
	found := func() [3]float64 {
		var f [3]float64
		for i := uint64(0); i < n; i++ {
			for k, there := range [3]bool{ints[gokit.Mix(seed+i)] == "value",
				texts[strconv.FormatUint(gokit.Mix(seed+i), 16)] == i && i > 0, lists[list(i)] == i && i > 0} {
				if there {
					f[k]++
				}
			}
		}
		return [3]float64{f[0] / n, f[1] / (n - 1), f[2] / (n - 1)}
	}
	gokit.Must(found() == [3]float64{1, 1, 1}, "entries were lost")
	spoil(ints)
	spoil(texts)
	spoil(lists)
	f := found()
	share := func(f float64) gokit.Answer { return gokit.Answer{"found_under_wrong_tophash": f} }
	gokit.Answer{"classic": true, "int": share(f[0]), "string": share(f[1]), "generic": share(f[2])}.Print()
}

// ---- times ----

func times(n, seed uint64) {
	runtime.LockOSThread()
	m := make(map[uint64]string, n)
	for i := uint64(0); i < n; i++ {
		m[gokit.Key(seed, i)] = "value"
	}
	a := gokit.Answer{}
	for name, first := range map[string]uint64{"hit": 0, "miss": n} {
		best := int64(1) << 62
		for pass := 0; pass < 3; pass++ {
			found, start := 0, gokit.ThreadNs()
			for i := first; i < first+n; i++ {
				if _, there := m[gokit.Key(seed, i)]; there {
					found++
				}
			}
			best = min(best, gokit.ThreadNs()-start)
			gokit.Must(found == map[string]int{"hit": int(n), "miss": 0}[name], "a lookup has found too little or too much")
		}
		a[name] = float64(best) / float64(n)
	}
	a.Print()
}

func main() {
	debug.SetGCPercent(-1)
	switch args := os.Args[1:]; {
	case len(args) == 4 && args[0] == "lookups":
		lookups(gokit.Number(args[1], 0), gokit.Number(args[2], 1), uint64(gokit.Number(args[3], 0)))
	case len(args) == 2 && args[0] == "uses":
		uses(uint64(gokit.Number(args[1], 0)))
	case len(args) == 3 && args[0] == "times":
		times(uint64(gokit.Number(args[1], 1)), uint64(gokit.Number(args[2], 0)))
	default:
		gokit.Fail("usage: tophash lookups SLOTS ENTRIES SEED, tophash uses SEED, tophash times N SEED")
	}
}
