// tophash asks Go's own map what ../tophash.c asks the classic one.
//
//	tophash lookups SLOTS ENTRIES SEED    comparisons and hashes per lookup, with room for SLOTS*13/16 entries
//	tophash uses SEED                     which lookups find keys under wrong tophash bytes (classic map only)
//	tophash times N SEED                  ns per lookup in a map[uint64]string of N entries, as compiled
//
// A struct type and a map type made at run time have their functions in writable memory: equality at offset 24 of the
// key's descriptor, the hash at 72 of the map's.  Both are replaced by ones that count; maps of structs take the generic
// path.  "Off" means that all keys have the same filter byte: tophash, the hash's high eight bits, or since Go 1.24 its
// low seven.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
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

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 32)
	must(err == nil, "'"+text+"' is no number")
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

func typeWord(t reflect.Type) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&t))[1] }

// ---- counts ----

var compared, hashed int

// countingMap makes a map type whose functions count; off: its filter byte is the same for all keys.
func countingMap(off bool, room int) (m, key reflect.Value) {
	name := map[bool]string{false: "Filtered", true: "Unfiltered"}[off] // two types
	keyType := reflect.StructOf([]reflect.StructField{{Name: name, Type: reflect.TypeOf(uint64(0))}})
	equal := (*func(unsafe.Pointer, unsafe.Pointer) bool)(unsafe.Add(typeWord(keyType), 24))
	*equal = func(a, b unsafe.Pointer) bool { compared++; return *(*uint64)(a) == *(*uint64)(b) }
	mapType := reflect.MapOf(keyType, reflect.TypeOf(uint64(0)))
	hasher := (*func(unsafe.Pointer, uintptr) uintptr)(unsafe.Add(typeWord(mapType), 72))
	*hasher = func(p unsafe.Pointer, seed uintptr) uintptr {
		hashed++
		hash := mix(*(*uint64)(p) ^ uint64(seed))
		if off && isClassic() {
			hash = hash&^(0xff<<56) | 7<<56
		} else if off {
			hash &^= 0x7f
		}
		return uintptr(hash)
	}
	return reflect.MakeMapWithSize(mapType, room), reflect.New(keyType).Elem()
}

func count(off bool, room, n int, seed uint64) answer {
	m, key := countingMap(off, room)
	set := func(i int) reflect.Value { key.Field(0).SetUint(mix(seed*0x1000003 + uint64(i))); return key }
	for i := 0; i < n; i++ {
		m.SetMapIndex(set(i), reflect.ValueOf(uint64(i)))
	}
	a := answer{}
	for name, first := range map[string]int{"hit": 0, "miss": n} {
		found := 0
		compared, hashed = 0, 0
		for i := first; i < first+n; i++ {
			if m.MapIndex(set(i)).IsValid() {
				found++
			}
		}
		must(found == map[string]int{"hit": n, "miss": 0}[name], "a lookup has found too little or too much")
		a[name] = answer{"compared": float64(compared) / float64(n), "hashed": float64(hashed) / float64(n)}
	}
	return a
}

func lookups(slots, n int, seed uint64) {
	room := slots * 13 / 16
	must(n <= room, "more entries than there is room for")
	answer{"on": count(false, room, n, seed), "off": count(true, room, n, seed)}.print()
}

// ---- wrong tophash bytes ----

// spoil makes every tophash byte of an entry that of another hash.
func spoil(header unsafe.Pointer, size uintptr) {
	b := *(*uint8)(unsafe.Add(header, 9))
	array := *(*unsafe.Pointer)(unsafe.Add(header, 16))
	for i := uintptr(0); i < 1<<b; i++ {
		for at := unsafe.Add(array, i*size); at != nil; at = *(*unsafe.Pointer)(unsafe.Add(at, size-8)) {
			for k, top := range (*[8]uint8)(at) {
				if top == 255 {
					(*[8]uint8)(at)[k] = 5
				} else if top >= 5 {
					(*[8]uint8)(at)[k]++
				}
			}
		}
	}
}

func uses(seed uint64) {
	if !isClassic() {
		answer{"classic": false}.print()
		return
	}
	const n = 5000
	ints, texts, lists := make(map[uint64]string, n), make(map[string]uint64, n), make(map[[3]uint64]uint64, n)
	list := func(i uint64) [3]uint64 { return [3]uint64{mix(seed + i), i, seed} }
	for i := uint64(0); i < n; i++ {
		ints[mix(seed+i)], texts[strconv.FormatUint(mix(seed+i), 16)], lists[list(i)] = "value", i, i
	}
	found := func() [3]float64 {
		var f [3]float64
		for i := uint64(0); i < n; i++ {
			for k, there := range [3]bool{ints[mix(seed+i)] == "value", texts[strconv.FormatUint(mix(seed+i), 16)] == i && i > 0,
				lists[list(i)] == i && i > 0} {
				if there {
					f[k]++
				}
			}
		}
		return [3]float64{f[0] / n, f[1] / (n - 1), f[2] / (n - 1)}
	}
	must(found() == [3]float64{1, 1, 1}, "entries were lost")
	spoil(*(*unsafe.Pointer)(unsafe.Pointer(&ints)), 8+8*8+8*16+8)
	spoil(*(*unsafe.Pointer)(unsafe.Pointer(&texts)), 8+8*16+8*8+8)
	spoil(*(*unsafe.Pointer)(unsafe.Pointer(&lists)), 8+8*24+8*8+8)
	f := found()
	share := func(f float64) answer { return answer{"found_under_wrong_tophash": f} }
	answer{"classic": true, "int": share(f[0]), "string": share(f[1]), "generic": share(f[2])}.print()
}

// ---- times ----

func cpuNs() int64 {
	var t syscall.Timespec
	_, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 3, uintptr(unsafe.Pointer(&t)), 0) // of this thread
	must(err == 0, "no such clock")
	return t.Nano()
}

func times(n, seed uint64) {
	runtime.LockOSThread()
	m := make(map[uint64]string, n)
	for i := uint64(0); i < n; i++ {
		m[mix(seed*0x1000003+i)] = "value"
	}
	a := answer{}
	for name, first := range map[string]uint64{"hit": 0, "miss": n} {
		best := int64(1) << 62
		for pass := 0; pass < 3; pass++ {
			found, start := 0, cpuNs()
			for i := first; i < first+n; i++ {
				if _, there := m[mix(seed*0x1000003+i)]; there {
					found++
				}
			}
			best = min(best, cpuNs()-start)
			must(found == map[string]int{"hit": int(n), "miss": 0}[name], "a lookup has found too little or too much")
		}
		a[name] = float64(best) / float64(n)
	}
	a.print()
}

func main() {
	debug.SetGCPercent(-1)
	switch args := os.Args[1:]; {
	case len(args) == 4 && args[0] == "lookups":
		lookups(int(number(args[1])), int(number(args[2])), number(args[3]))
	case len(args) == 2 && args[0] == "uses":
		uses(number(args[1]))
	case len(args) == 3 && args[0] == "times":
		times(number(args[1]), number(args[2]))
	default:
		fail("usage: tophash lookups SLOTS ENTRIES SEED, tophash uses SEED, tophash times N SEED")
	}
}
