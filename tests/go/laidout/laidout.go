// A program with maps whose layout is known: it says itself how large its types are, how its slots lie in memory, and what
// its heap grew by.
//
// It says "ready" and then answers lines:
//
//	types FILE          write what it knows of its map types as JSON
//	build KIND N HINT   one map of that kind (builders, below), of N entries, made for HINT: its address, bytes the heap
//	                    grew by
//	quit
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"unsafe"
)

// Holes before, between and behind fields, and a nested one.
type padded struct {
	Live  bool
	ID    int64
	Small int16
	Count int32
	Inner inner
	Last  bool
}
type inner struct {
	A byte
	B uint32
	C byte
}

// The same in the best order.
type packed struct {
	ID    int64
	Inner packedInner
	Count int32
	Small int16
	Live  bool
	Last  bool
}
type packedInner struct {
	B    uint32
	A, C byte
}

// A field without size costs bytes at the end, and none at the start.
type marked struct {
	ID   int64
	Mark struct{}
}
type unmarked struct {
	Mark struct{}
	ID   int64
}
type wide struct {
	Name  string
	Words [20]int64
}
type point struct{ X, Y int32 }

// Names from outside may be anything that Go accepts: these are for terminals and pages.
type ширина struct {
	Ошибка bool
	Число  int64
}

// Globals, one map of each type.
var (
	ByID       map[int64]padded
	ByIDPacked map[int64]packed
	ByIDPtr    map[int64]*padded
	ByName     map[string]padded
	Marked     map[int64]marked
	Unmarked   map[int64]unmarked
	Sets       map[int64]struct{}
	Flags      map[string]bool
	Points     map[point]string
	Wide       map[int32]wide
	WideKey    map[wide]int32
	Bytes      map[uint8]uint8
	Floats     map[complex64][3]byte
	Foreign    map[int16]ширина
	Nothing    map[struct{}]struct{}
	Any        map[interface{}]error
)

type field struct {
	Name         string
	Offset, Size uintptr
}
type part struct {
	Size, Align uintptr
	Fields      []field
}
type known struct {
	Type         string
	Key, Value   part
	Group, Slots uintptr
	OnTwoLines   uintptr
}

func partOf(t reflect.Type) part {
	p := part{t.Size(), uintptr(t.Align()), []field{}}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		f := t.Field(i)
		p.Fields = append(p.Fields, field{f.Name, f.Offset, f.Type.Size()})
	}
	return p
}

func word(p unsafe.Pointer, at uintptr) uintptr { return *(*uintptr)(unsafe.Add(p, at)) }
func pointer(p unsafe.Pointer, at uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(p, at))
}

type face struct{ typ, data unsafe.Pointer }

// What the compiler laid out, from the map type's own description.
type shape struct{ group, keyOff, keyStride, elemOff, elemStride, keySlot, elemSlot uintptr }

func slotOf(size uintptr) uintptr {
	if size > 128 {
		return 8
	}
	return size
}

func shapeOf(m interface{}) shape {
	f := (*face)(unsafe.Pointer(&m))
	t := reflect.TypeOf(m)
	s := shape{keySlot: slotOf(t.Key().Size()), elemSlot: slotOf(t.Elem().Size())}
	if !swiss {
		s.group = uintptr(*(*uint16)(unsafe.Add(f.typ, 82)))
		s.keyOff, s.keyStride, s.elemStride = 8, s.keySlot, s.elemSlot
		s.elemOff = 8 + 8*s.keySlot
		return s
	}
	s.group = word(f.typ, 80)
	if strides {
		s.keyOff, s.keyStride, s.elemOff, s.elemStride = word(f.typ, 88), word(f.typ, 96), word(f.typ, 104), word(f.typ, 112)
		return s
	}
	s.keyOff, s.keyStride, s.elemStride = 8, word(f.typ, 88), word(f.typ, 88)
	s.elemOff = 8 + word(f.typ, 96)
	return s
}

func crosses(at, size uintptr) bool { return size > 0 && at/64 != (at+size-1)/64 }

// Slots of a group at `at` that lie on two lines: where key and value lie apart, one of them does.
func crossing(s shape, at uintptr) (n uintptr) {
	for i := uintptr(0); i < 8; i++ {
		key, elem := at+s.keyOff+i*s.keyStride, at+s.elemOff+i*s.elemStride
		if s.keyStride == s.elemStride && elem < key+s.keyStride && elem >= key {
			size := s.keySlot
			if s.elemSlot > 0 {
				size = elem + s.elemSlot - key
			}
			if crosses(key, size) {
				n++
			}
		} else if crosses(key, s.keySlot) || crosses(elem, s.elemSlot) {
			n++
		}
	}
	return n
}

// All groups or buckets of a map, overflow not counted.
func groupsOf(m interface{}, s shape) (at []uintptr) {
	h := (*face)(unsafe.Pointer(&m)).data
	if h == nil || pointer(h, 16) == nil {
		return nil
	}
	array := func(p unsafe.Pointer, n uintptr) {
		for i := uintptr(0); i < n; i++ {
			at = append(at, uintptr(p)+i*s.group)
		}
	}
	if !swiss {
		array(pointer(h, 16), 1<<*(*uint8)(unsafe.Add(h, 9)))
		return at
	}
	tables, length := pointer(h, 16), word(h, 24)
	if length == 0 {
		array(tables, 1)
	}
	seen := map[unsafe.Pointer]bool{}
	for i := uintptr(0); i < length; i++ {
		if t := pointer(tables, 8*i); !seen[t] {
			seen[t] = true
			array(pointer(t, 16), word(t, 24)+1)
		}
	}
	return at
}

func knownOf(m interface{}) known {
	t, s := reflect.TypeOf(m), shapeOf(m)
	k := known{Type: t.String(), Key: partOf(t.Key()), Value: partOf(t.Elem()), Group: s.group}
	for _, at := range groupsOf(m, s) {
		k.Slots += 8
		k.OnTwoLines += crossing(s, at)
	}
	return k
}

func types(file string) error {
	all := []known{knownOf(ByID), knownOf(ByIDPacked), knownOf(ByIDPtr), knownOf(ByName), knownOf(Marked), knownOf(Unmarked),
		knownOf(Sets), knownOf(Flags), knownOf(Points), knownOf(Wide), knownOf(WideKey), knownOf(Bytes), knownOf(Floats),
		knownOf(Foreign), knownOf(Nothing), knownOf(Any)}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func fill() {
	ByID, ByIDPacked, ByIDPtr = map[int64]padded{}, map[int64]packed{}, map[int64]*padded{}
	ByName, Marked, Unmarked = map[string]padded{}, map[int64]marked{}, map[int64]unmarked{}
	Sets, Flags, Points = map[int64]struct{}{}, map[string]bool{}, map[point]string{}
	Wide, WideKey, Bytes = map[int32]wide{}, map[wide]int32{}, map[uint8]uint8{}
	Floats, Foreign = map[complex64][3]byte{}, map[int16]ширина{}
	Nothing, Any = map[struct{}]struct{}{{}: {}}, map[interface{}]error{}
	for i := int64(0); i < 3000; i++ {
		ByID[i], ByIDPacked[i], ByIDPtr[i] = padded{ID: i}, packed{ID: i}, &padded{ID: i}
		ByName[fmt.Sprint("name", i)] = padded{}
		Marked[i], Unmarked[i], Sets[i] = marked{ID: i}, unmarked{ID: i}, struct{}{}
		Points[point{int32(i), 1}] = "here"
		Flags[texts[i]] = true
		Any[i] = nil
	}
	for i := 0; i < 200; i++ {
		Wide[int32(i)], WideKey[wide{Name: fmt.Sprint(i)}] = wide{}, 1
		Bytes[uint8(i)], Floats[complex(float32(i), 0)] = 1, [3]byte{}
		Foreign[int16(i)] = ширина{}
	}
}

func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// Built is the map of the last build; it has a type of its own each time.
var Built interface{}

func filled[K comparable, V any](n, hint int, key func(int) K, value func(int) V) interface{} {
	m := make(map[K]V, hint)
	for i := 0; i < n; i++ {
		m[key(i)] = value(i)
	}
	return m
}

func id(i int) int64      { return int64(i) }
func narrow(i int) int32  { return int32(i) }
func zero[V any](int) V   { return *new(V) }
func isTrue(int) bool     { return true }
func digits(i int) string { return texts[i] }
func raw(i int) (b [8]byte) {
	copy(b[:], fmt.Sprintf("k%07d", i))
	return b
}

// Texts that strings of keys point to: they are there before a map is built, and cost it nothing.
var texts []string

var builders = map[string]func(n, hint int) interface{}{
	"padded": func(n, hint int) interface{} { return filled(n, hint, id, zero[padded]) },
	"packed": func(n, hint int) interface{} { return filled(n, hint, id, zero[packed]) },
	"pointer": func(n, hint int) interface{} {
		return filled(n, hint, id, func(i int) *padded { return &padded{ID: int64(i)} })
	},
	"bytes64": func(n, hint int) interface{} { return filled(n, hint, id, zero[[3]byte]) },
	"bytes32": func(n, hint int) interface{} { return filled(n, hint, narrow, zero[[3]byte]) },
	"hex":     func(n, hint int) interface{} { return filled(n, hint, digits, isTrue) },
	"array":   func(n, hint int) interface{} { return filled(n, hint, raw, isTrue) },
	"drained": func(n, hint int) interface{} {
		m := filled(n, hint, id, zero[int64]).(map[int64]int64)
		for i := n / 20; i < n; i++ {
			delete(m, int64(i))
		}
		return m
	},
	"rebuilt": func(n, hint int) interface{} { return filled(n, hint, id, zero[int64]) },
}

// The runtime allocates for itself now and then: bytes are those of two builds that agree.
func build(kind string, n, hint int) string {
	make := builders[kind]
	if make == nil {
		return "what?"
	}
	var grew, last uint64
	for i := 0; i < 5 && (i == 0 || grew != last); i++ {
		Built = nil
		last = grew
		before := heap()
		Built = make(n, hint)
		grew = heap() - before
	}
	return fmt.Sprintf("built %#x %d", (*face)(unsafe.Pointer(&Built)).data, grew)
}

func answer(line string) bool {
	word := strings.Fields(line)
	var kind string
	var n, hint int
	switch {
	case line == "quit":
		return false
	case len(word) == 2 && word[0] == "types":
		if err := types(word[1]); err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println("written")
		}
	default:
		if c, err := fmt.Sscanf(line, "build %s %d %d", &kind, &n, &hint); err == nil && c == 3 {
			fmt.Println(build(kind, n, hint))
		} else {
			fmt.Println("what?")
		}
	}
	return true
}

func main() {
	for i := 0; i < 40000; i++ {
		texts = append(texts, hex.EncodeToString([]byte(fmt.Sprintf("k%07d", i))))
	}
	fill()
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() && answer(in.Text()) {
	}
}
