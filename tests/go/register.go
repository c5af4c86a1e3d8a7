package main

// The register: what this program knows of its own maps, told to whoever asks.  It holds no map alive: addresses are
// kept as numbers, which Go's collector does not follow, and its objects do not move.

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"unsafe"
)

type record struct {
	Address    string `json:"address"`
	Entries    int    `json:"entries"`
	Tombstones int    `json:"tombstones"`
	Slots      int    `json:"slots"`
	Kind       string `json:"kind"`   // of holder
	Type       string `json:"type"`   // of the map
	Shape      string `json:"shape"`  // the same if it has no name of its own, else what it was made from
	Holder     string `json:"holder"` // how the path must begin; ~ stands for anything
	Typed      bool   `json:"typed"`  // the type must be known
}

var register []record

// note enters a map on the heap.
func note(kind, holder string, typed bool, m any) {
	v := reflect.ValueOf(m)
	marks, slots := inside(m)
	shape := v.Type()
	if shape.Name() != "" {
		shape = reflect.MapOf(shape.Key(), shape.Elem())
	}
	register = append(register, record{
		Address: fmt.Sprintf("%#x", v.Pointer()), Entries: v.Len(), Tombstones: marks, Slots: slots,
		Kind: kind, Type: v.Type().String(), Shape: shape.String(), Holder: holder, Typed: typed,
	})
}

func addressOf(m map[string]int) string { return fmt.Sprintf("%#x", reflect.ValueOf(m).Pointer()) }

// noteAt enters a map of which only the address may be given away: one on a stack must not escape.  Again: instead of
// what was entered last.
func noteAt(kind, holder, typ string, addr uintptr, entries, again int) {
	register = append(register[:len(register)-again], record{Address: fmt.Sprintf("%#x", addr), Entries: entries, Tombstones: -1, Slots: -1,
		Kind: kind, Type: typ, Shape: typ, Holder: holder})
}

func dump(file string) error {
	text, err := json.Marshal(register)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

type face struct {
	typ, data unsafe.Pointer
}

func word(p unsafe.Pointer, at uintptr) uintptr { return *(*uintptr)(unsafe.Add(p, at)) }

func pointer(p unsafe.Pointer, at uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(p, at))
}

func bytes8(p unsafe.Pointer) *[8]byte { return (*[8]byte)(p) }

// inside counts slots that deletes left marked, and all slots of the tables, byte by byte.
func inside(m any) (marks, slots int) {
	f := (*face)(unsafe.Pointer(&m))
	if swiss {
		return insideSwiss(f.data, word(f.typ, 80))
	}
	return insideClassic(f.data, uintptr(*(*uint16)(unsafe.Add(f.typ, 82))))
}

func insideSwiss(h unsafe.Pointer, size uintptr) (marks, slots int) {
	tables, length := pointer(h, 16), word(h, 24)
	if length == 0 {
		if tables != nil {
			slots = 8
		}
		return 0, slots
	}
	seen := map[unsafe.Pointer]bool{}
	for i := uintptr(0); i < length; i++ {
		t := pointer(tables, 8*i)
		if seen[t] {
			continue
		}
		seen[t] = true
		groups, last := pointer(t, 16), word(t, 24)
		for g := uintptr(0); g <= last; g++ {
			slots += 8
			for _, c := range bytes8(unsafe.Add(groups, g*size)) {
				if c == 0xfe {
					marks++
				}
			}
		}
	}
	return marks, slots
}

func insideClassic(h unsafe.Pointer, size uintptr) (marks, slots int) {
	array, old := pointer(h, 16), pointer(h, 24)
	if array == nil {
		return 0, 0
	}
	n := uintptr(1) << *(*uint8)(unsafe.Add(h, 9))
	scan := func(array unsafe.Pointer, n uintptr) {
		for b := uintptr(0); b < n; b++ {
			at := unsafe.Add(array, b*size)
			if top := bytes8(at)[0]; top > 1 && top < 5 {
				continue // evacuated
			}
			for at != nil {
				for _, top := range bytes8(at) {
					if top == 1 {
						marks++
					}
				}
				at = pointer(at, size-8)
			}
		}
	}
	scan(array, n)
	if old != nil {
		if *(*uint8)(unsafe.Add(h, 8))&8 == 0 {
			scan(old, n/2)
		} else {
			scan(old, n)
		}
	}
	return marks, int(n) * 8
}
