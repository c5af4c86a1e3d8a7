package gokit

import (
	"reflect"
	"runtime"
	"strings"
	"unsafe"
)

// Go's two maps as their sources have them, on 64 bits; what is read of them below the header is that of a
// map[uint64]uint64.
//
//	up to Go 1.23                                        since Go 1.24
//
//	m -> Classic --Buckets----> Bucket Bucket ...        m -> Swiss --dir--> *Table *Table ...   (Length > 0)
//	             --Oldbuckets-> Bucket ... or nil                               '--Groups--> groups of 8 slots
//	             Bucket --Overflow--> Bucket             m -> Swiss --dir--> one group           (Length = 0)

// Minor is the version of Go this program runs on: 23 for go1.23.12; 0 for a version without such a number.
func Minor() (minor int) {
	for _, c := range strings.TrimPrefix(runtime.Version(), "go1.") {
		if c < '0' || c > '9' {
			break
		}
		minor = 10*minor + int(c-'0')
	}
	return minor
}

// IsClassic says whether the map of this Go is the classic one.
//
//go:noinline
func IsClassic() bool { minor := Minor(); return minor > 0 && minor < 24 }

// Classic is the header of a map up to Go 1.23: runtime.hmap.
type Classic struct {
	Count      int
	Flags, B   uint8 // there are 1 << B buckets
	Noverflow  uint16
	Hash0      uint32 // the seed
	Buckets    unsafe.Pointer
	Oldbuckets unsafe.Pointer
	Nevacuate  uintptr
	Extra      *Extra
}

// Extra is what a classic map has beside its header, from its first overflow bucket on: runtime.mapextra.
type Extra struct {
	Overflow, Oldoverflow *[]unsafe.Pointer
	NextOverflow          unsafe.Pointer // the next bucket of those that were allocated with the array
}

// Bucket is one of a classic map[uint64]uint64.
type Bucket struct {
	Tops     [8]uint8
	Keys     [8]uint64
	Elems    [8]uint64
	Overflow *Bucket
}

// MinTopHash is the least byte in Tops of a slot that has an entry; those below are marks.
const MinTopHash = 5

// Growing says whether a growth is under way.
func (h *Classic) Growing() bool { return h.Oldbuckets != nil }

// At is the i-th bucket of an array of them.
func At(array unsafe.Pointer, i uint64) *Bucket {
	return (*Bucket)(unsafe.Add(array, uintptr(i)*unsafe.Sizeof(Bucket{})))
}

// Evacuated says whether the entries of this bucket and of those chained to it have been moved.
func (b *Bucket) Evacuated() bool { return b.Tops[0] > 1 && b.Tops[0] < MinTopHash }

// Swiss is the header of a map since Go 1.24: internal/runtime/maps.Map.
type Swiss struct {
	Used                     uint64
	Seed                     uintptr
	dir                      unsafe.Pointer
	Length                   int // of the directory
	GlobalDepth, GlobalShift uint8
}

// Table is one of the tables of a Swiss map: internal/runtime/maps.table.
type Table struct {
	Used, Capacity, GrowthLeft uint16
	LocalDepth                 uint8
	Index                      int // of its first place in the directory
	Groups                     unsafe.Pointer
	LengthMask                 uint64 // groups - 1
}

// Directory has the map's tables; one may stand in several places.  It is empty while the map is one group.
func (h *Swiss) Directory() []*Table { return unsafe.Slice((**Table)(h.dir), h.Length) }

// The offsets Go's sources give; a false one does not compile.
var (
	_ = [1]byte{}[unsafe.Offsetof(Classic{}.Hash0)-12]
	_ = [1]byte{}[unsafe.Offsetof(Classic{}.Oldbuckets)-24]
	_ = [1]byte{}[unsafe.Sizeof(Classic{})-48]
	_ = [1]byte{}[unsafe.Offsetof(Bucket{}.Elems)-72]
	_ = [1]byte{}[unsafe.Sizeof(Bucket{})-144]
	_ = [1]byte{}[unsafe.Offsetof(Swiss{}.GlobalShift)-33]
	_ = [1]byte{}[unsafe.Offsetof(Table{}.LengthMask)-24]
)

// Header is what the variable of a map holds: the address of its header.
func Header[K comparable, V any](m map[K]V) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&m))
}

// ClassicOf is the header of a map where IsClassic.
func ClassicOf[K comparable, V any](m map[K]V) *Classic { return (*Classic)(Header(m)) }

// SwissOf is the header of a map where not IsClassic.
func SwissOf[K comparable, V any](m map[K]V) *Swiss { return (*Swiss)(Header(m)) }

// SeedOf is the seed of a map's hash function, in either design.
func SeedOf[K comparable, V any](m map[K]V) uintptr {
	if IsClassic() {
		return uintptr(ClassicOf(m).Hash0)
	}
	return SwissOf(m).Seed
}

// Hash is the hash function of a map type: of the key at an address, with a seed.
type Hash func(key unsafe.Pointer, seed uintptr) uintptr

// Equal tells whether the values at two addresses are equal.
type Equal func(a, b unsafe.Pointer) bool

// TypeWord is the address of a type's descriptor.
func TypeWord(t reflect.Type) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&t))[1] }

// HashOf is where the descriptor of a map type has its hash function.  That of a type made at run time can be replaced.
func HashOf(t reflect.Type) *Hash { return (*Hash)(unsafe.Add(TypeWord(t), 72)) }

// EqualOf is where the descriptor of a comparable type has its equality, which can be replaced likewise.
func EqualOf(t reflect.Type) *Equal { return (*Equal)(unsafe.Add(TypeWord(t), 24)) }

// BucketSize is the size of the buckets, or groups, of a map type, in bytes.
func BucketSize(t reflect.Type) uintptr {
	bucket := *(*unsafe.Pointer)(unsafe.Add(TypeWord(t), 64))
	return *(*uintptr)(bucket) // what any descriptor begins with
}
