// Package main stores structs of many sizes in maps with 8-byte keys, one function per size, for its machine code to be
// read.  It imports nothing, so that only the runtime is compiled with it.
package main

import "unsafe"

type elem8 struct{ words [1]uint64 }
type elem16 struct{ words [2]uint64 }
type elem24 struct{ words [3]uint64 }
type elem32 struct{ words [4]uint64 }
type elem64 struct{ words [8]uint64 }
type elem128 struct{ words [16]uint64 }
type elem136 struct{ words [17]uint64 }

//go:noinline
func store8(m map[uint64]elem8, key uint64, value *elem8) { m[key] = *value }

//go:noinline
func store16(m map[uint64]elem16, key uint64, value *elem16) { m[key] = *value }

//go:noinline
func store24(m map[uint64]elem24, key uint64, value *elem24) { m[key] = *value }

//go:noinline
func store32(m map[uint64]elem32, key uint64, value *elem32) { m[key] = *value }

//go:noinline
func store64(m map[uint64]elem64, key uint64, value *elem64) { m[key] = *value }

//go:noinline
func store128(m map[uint64]elem128, key uint64, value *elem128) { m[key] = *value }

//go:noinline
func store136(m map[uint64]elem136, key uint64, value *elem136) { m[key] = *value }

//go:noinline
func load(m map[uint64]elem8, key uint64) uint64 { return m[key].words[0] }

//go:noinline
func loadString(m map[string]elem8, key string) uint64 { return m[key].words[0] }

func main() {
	sum := uintptr(0)
	m8 := map[uint64]elem8{}
	store8(m8, 1, &elem8{})
	sum += unsafe.Sizeof(m8[1]) * uintptr(len(m8))
	m16 := map[uint64]elem16{}
	store16(m16, 1, &elem16{})
	sum += unsafe.Sizeof(m16[1]) * uintptr(len(m16))
	m24 := map[uint64]elem24{}
	store24(m24, 1, &elem24{})
	sum += unsafe.Sizeof(m24[1]) * uintptr(len(m24))
	m32 := map[uint64]elem32{}
	store32(m32, 1, &elem32{})
	sum += unsafe.Sizeof(m32[1]) * uintptr(len(m32))
	m64 := map[uint64]elem64{}
	store64(m64, 1, &elem64{})
	sum += unsafe.Sizeof(m64[1]) * uintptr(len(m64))
	m128 := map[uint64]elem128{}
	store128(m128, 1, &elem128{})
	sum += unsafe.Sizeof(m128[1]) * uintptr(len(m128))
	m136 := map[uint64]elem136{}
	store136(m136, 1, &elem136{})
	sum += unsafe.Sizeof(m136[1]) * uintptr(len(m136))
	strings := map[string]elem8{"one": {}}
	println(sum, load(m8, 1), loadString(strings, "one"))
}
