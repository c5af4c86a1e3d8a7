// layout prints where Go puts things, as JSON: structs, the map header, buckets (classic) or groups (Swiss) of a hundred
// map types.  Three sources that know nothing of each other: the debug information of this very program, the
// type descriptors the compiler emitted, and the memory of a filled map, where every entry is looked for at the
// place its hash and the offsets say.
package main

import (
	"debug/dwarf"
	"debug/elf"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"reflect"
	"runtime"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

type field struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
}

type record struct {
	Name   string  `json:"name"`
	Size   int64   `json:"size"`
	Align  int64   `json:"align,omitempty"`
	Fields []field `json:"fields"`
}

// debugInfo returns the structs of these names from the program's own debug information.
func debugInfo(wanted ...string) map[string]record {
	file, err := elf.Open("/proc/self/exe")
	gokit.Check(err)
	data, err := file.DWARF()
	gokit.Check(err)
	found := map[string]record{}
	for reader := data.Reader(); ; {
		entry, err := reader.Next()
		gokit.Check(err)
		if entry == nil {
			return found
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		for _, w := range wanted {
			if entry.Tag != dwarf.TagStructType || name != w {
				continue
			}
			t, err := data.Type(entry.Offset)
			gokit.Check(err)
			r := record{Name: name, Size: t.Size()}
			for _, f := range t.(*dwarf.StructType).Field {
				r.Fields = append(r.Fields, field{f.Name, f.ByteOffset, f.Type.Size()})
			}
			found[name] = r
		}
	}
}

func describe(name string, t reflect.Type) record {
	r := record{Name: name, Size: int64(t.Size()), Align: int64(t.Align())}
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		r.Fields = append(r.Fields, field{f.Name, int64(f.Offset), int64(f.Type.Size())})
	}
	return r
}

// bucketOf is the struct type that the compiler made for a map's bucket, or group.
func bucketOf(m reflect.Type) reflect.Type {
	t := reflect.TypeOf(0)
	(*[2]unsafe.Pointer)(unsafe.Pointer(&t))[1] = *(*unsafe.Pointer)(unsafe.Add(gokit.TypeWord(m), 64))
	return t
}

type mapRow struct {
	Key    string  `json:"key"`
	Elem   string  `json:"elem"`
	Bytes  int64   `json:"bytes"`
	Parts  []field `json:"parts"`
	Slot   []field `json:"slot"` // Swiss: a slot's key and elem
	KeyIn  int64   `json:"key_in"`
	ElemIn int64   `json:"elem_in"` // bytes of key and elem in the bucket; 8 for more than 128: a pointer
}

var rows []mapRow

func look[K comparable, V any](key, elem string) {
	b := bucketOf(reflect.TypeOf(map[K]V(nil)))
	d := describe("", b)
	row := mapRow{Key: key, Elem: elem, Bytes: d.Size, Parts: d.Fields}
	if d.Fields[0].Name == "topbits" {
		row.KeyIn, row.ElemIn = d.Fields[1].Size/8, d.Fields[2].Size/8
	} else {
		slot := describe("", b.Field(1).Type.Elem())
		row.Slot, row.KeyIn, row.ElemIn = slot.Fields, slot.Fields[0].Size, slot.Fields[1].Size
	}
	rows = append(rows, row)
}

type wide struct {
	a uint64
	b uint8
}

// The same types, by the same names, as in offsets.c.
func lookAll[K comparable](key string) {
	look[K, struct{}](key, "none")
	look[K, uint8](key, "u8")
	look[K, uint16](key, "u16")
	look[K, [3]uint8](key, "b3")
	look[K, uint32](key, "u32")
	look[K, uint64](key, "u64")
	look[K, string](key, "string")
	look[K, wide](key, "wide")
	look[K, [128]uint8](key, "b128")
	look[K, [129]uint8](key, "b129")
}

// The structs of the articles' tables, and their likes; the same in offsets.c. lite and full are one record under two
// build profiles.
type (
	small struct {
		Key   uint32
		Value uint16
	}
	large struct {
		Key   uint64
		Value [3]uint8
	}
	gaps struct {
		a uint8
		b int64
		c bool
	}
	sorted struct {
		b int64
		a uint8
		c bool
	}
	lite struct {
		ID   int64
		Name string
	}
	full struct {
		ID                     int64
		Name, Mail, Team, Town string
		Made, Seen             int64
		Score, Rate            float64
		Level, Flags, Parent   int64
	}
)

func structs() []record {
	return []record{
		describe("small", reflect.TypeOf(small{})), describe("large", reflect.TypeOf(large{})),
		describe("gaps", reflect.TypeOf(gaps{})), describe("sorted", reflect.TypeOf(sorted{})),
		describe("lite", reflect.TypeOf(lite{})), describe("full", reflect.TypeOf(full{})),
	}
}

// placed counts the entries of a map[uint64]uint64 that lie in the chain of the bucket their hash chooses, with the
// hash seed read at the given offset of the header: all, if B, the seed and the bucket's parts are where we say.
func placed(m map[uint64]uint64, seedAt uintptr) (found, buckets int) {
	h, hash := gokit.ClassicOf(m), *gokit.HashOf(reflect.TypeOf(m))
	seed := uintptr(*(*uint32)(unsafe.Add(unsafe.Pointer(h), seedAt)))
	used := map[uintptr]bool{}
	for k, v := range m {
		key := k
		home := hash(unsafe.Pointer(&key), seed) & (1<<h.B - 1)
		used[home] = true
		for b := gokit.At(h.Buckets, uint64(home)); b != nil; b = b.Overflow {
			for i, top := range b.Tops {
				if top >= gokit.MinTopHash && b.Keys[i] == k && b.Elems[i] == v {
					found++
				}
			}
		}
	}
	return found, len(used)
}

type placing struct {
	Entries int   `json:"entries"`
	B       uint8 `json:"B"`
	Used    int   `json:"used"` // different home buckets; at most 1 << B
	At12    int   `json:"at12"` // entries found where they must be with the seed at offset 12
	At16    int   `json:"at16"`
}

func fill(n int) placing {
	m := make(map[uint64]uint64)
	for i := 0; i < n; i++ {
		m[uint64(i)*0x9E3779B97F4A7C15] = uint64(i)
	}
	// Let a growth that is under way end, so that all entries are in one array.
	h := gokit.ClassicOf(m)
	for h.Growing() {
		delete(m, 1)
		m[0] = 0
	}
	p := placing{Entries: len(m), B: h.B}
	p.At12, p.Used = placed(m, 12)
	p.At16, _ = placed(m, 16)
	runtime.KeepAlive(m)
	return p
}

// refusal is what the type checker says to a map whose key is a struct with a map in it; empty: nothing.
func refusal() string {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "key.go", "package p\ntype k struct{ m map[int]int }\nvar x map[k]int\n", 0)
	gokit.Check(err)
	_, err = (&types.Config{}).Check("p", set, []*ast.File{file}, nil)
	if err == nil {
		return ""
	}
	return err.Error()
}

func main() {
	lookAll[struct{}]("none")
	lookAll[uint8]("u8")
	lookAll[uint16]("u16")
	lookAll[[3]uint8]("b3")
	lookAll[uint32]("u32")
	lookAll[uint64]("u64")
	lookAll[string]("string")
	lookAll[wide]("wide")
	lookAll[[128]uint8]("b128")
	lookAll[[129]uint8]("b129")

	out := gokit.Answer{
		"maps": rows, "structs": structs(), "refusal": refusal(),
		"comparable": reflect.TypeOf(struct{ m map[int]int }{}).Comparable(),
		"string":     int(unsafe.Sizeof("")), "slice": int(unsafe.Sizeof([]byte{})),
	}
	info := debugInfo("runtime.hmap", "runtime.bmap", "internal/runtime/maps.Map")
	if h, ok := info["runtime.hmap"]; ok {
		out["design"], out["header"], out["bmap"] = "classic", h, info["runtime.bmap"]
		out["placing"] = []placing{fill(8), fill(1000), fill(100000)}
	} else if h, ok := info["internal/runtime/maps.Map"]; ok {
		out["design"], out["header"] = "swiss", h
	} else {
		gokit.Fail("no map header in the debug information of %s", runtime.Version())
	}
	out.Print()
}
