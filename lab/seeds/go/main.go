// seeds MAPS KEYS: what real Go maps do with hash and seed, read out of their headers, tables and types.
//
// Layouts, as in Go's sources (64 bits): up to 1.23 hmap {count 0, flags 8, B 9, noverflow 10, hash0 12, buckets 16,
// oldbuckets 24}, a bucket of uint64 to uint64 {tophash 0, keys 8, elems 72, overflow 136}; since 1.24 Map {used 0, seed 8,
// dirPtr 16, dirLen 24, globalDepth 32, globalShift 33}, table {capacity 2, localDepth 6, index 8, groups 16, lengthMask 24},
// a group {control 0, then 8 slots of 16 bytes}.  The hash function is that of the map type's descriptor (offset 72).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

var classic = strings.HasPrefix(runtime.Version(), "go1.23")

func at[T any](p unsafe.Pointer, offset uintptr) T { return *(*T)(unsafe.Add(p, offset)) }

func header[K comparable](m map[K]uint64) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&m))
}

func seedOf[K comparable](m map[K]uint64) uintptr {
	if classic {
		return uintptr(at[uint32](header(m), 12))
	}
	return at[uintptr](header(m), 8)
}

type hasher func(unsafe.Pointer, uintptr) uintptr

func hasherOf(m any) hasher { return at[hasher](*(*unsafe.Pointer)(unsafe.Pointer(&m)), 72) }

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Does a change of seed do what XOR with the seed would?  xored: keys for which hash(k, s1) ^ hash(k, s2) == s1 ^ s2;
// constant: keys for which it is what it was for the key before.
func seedEntersHow(hash func(i uint64, seed uintptr) uintptr, keys int) map[string]any {
	const s1, s2 = 0x12345678, 0x87654321
	xored, constant, before := 0, 0, uintptr(0)
	for i := 0; i < keys; i++ {
		d := hash(uint64(i), s1) ^ hash(uint64(i), s2)
		if d == s1^s2 {
			xored++
		}
		if i > 0 && d == before {
			constant++
		}
		before = d
	}
	return map[string]any{"keys": keys, "xored": xored, "constant": constant}
}

// Where the entries of a map are, against what their hashes say.
type places struct {
	Entries  int       `json:"entries"`
	LowBits  int       `json:"low_bits"`  // in the bucket (1.24: with the control byte) their low bits say
	HighBits int       `json:"high_bits"` // with the tophash (1.24: in the table) their high bits say
	Moved    int       `json:"moved"`     // tophashes that were below 5 and had 5 added
	B        uint8     `json:"b"`
	High     [256]uint `json:"-"` // how often each high byte of the hashes occurs
}

func look(m map[uint64]uint64, hash hasher) (p places) {
	h, seed := header(m), seedOf(m)
	if classic {
		p.B = at[uint8](h, 9)
		for i := uintptr(0); i < 1<<p.B; i++ {
			for b := unsafe.Add(at[unsafe.Pointer](h, 16), i*144); b != nil; b = at[unsafe.Pointer](b, 136) {
				for slot := uintptr(0); slot < 8; slot++ {
					if top := at[uint8](b, slot); top >= 5 {
						key := at[uint64](b, 8+8*slot)
						of := hash(unsafe.Pointer(&key), seed)
						p.note(of&(1<<p.B-1) == i, of>>56+5*b2i(of>>56 < 5) == uintptr(top), of)
						p.Moved += int(b2i(of>>56 < 5))
					}
				}
			}
		}
		return p
	}
	p.B = at[uint8](h, 32)
	shift := at[uint8](h, 33)
	for d := 0; d < at[int](h, 24); d++ {
		table := at[unsafe.Pointer](at[unsafe.Pointer](h, 16), uintptr(d)*8)
		if at[int](table, 8) != d { // one table may stand in several places
			continue
		}
		same := uint8(p.B - at[uint8](table, 6)) // directory entries that share it, as bits
		for g := uintptr(0); g <= at[uintptr](table, 24); g++ {
			group := unsafe.Add(at[unsafe.Pointer](table, 16), g*136)
			for slot := uintptr(0); slot < 8; slot++ {
				if control := at[uint8](group, slot); control < 0x80 {
					key := at[uint64](group, 8+16*slot)
					of := hash(unsafe.Pointer(&key), seed)
					p.note(of&0x7f == uintptr(control), of>>shift>>same == uintptr(d)>>same, of)
				}
			}
		}
	}
	return p
}

func b2i(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

func (p *places) note(low, high bool, hash uintptr) {
	p.Entries++
	p.LowBits += int(b2i(low))
	p.HighBits += int(b2i(high))
	p.High[hash>>56]++
}

func chi(count []uint) float64 {
	n, sum := 0.0, 0.0
	for _, c := range count {
		n += float64(c)
	}
	mean := n / float64(len(count))
	for _, c := range count {
		sum += (float64(c) - mean) * (float64(c) - mean) / mean
	}
	return sum
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: seeds MAPS KEYS")
		os.Exit(2)
	}
	maps, _ := strconv.Atoi(os.Args[1])
	keys, _ := strconv.Atoi(os.Args[2])
	hash := hasherOf(map[uint64]uint64{})
	hashString := hasherOf(map[string]uint64{})

	// the key 0 in many maps: its high byte, and how many seeds there are
	seeds, zeros := map[uintptr]bool{}, [256]uint{}
	for i := 0; i < maps; i++ {
		m := map[uint64]uint64{0: 0}
		seeds[seedOf(m)] = true
		var zero uint64
		zeros[hash(unsafe.Pointer(&zero), seedOf(m))>>56]++
	}

	// the keys 0, 1, 2, ... in one map
	m := map[uint64]uint64{}
	for i := 0; i < keys || classic && at[unsafe.Pointer](header(m), 24) != nil; i++ {
		m[uint64(i)] = 1
	}
	where, entries := look(m, hash), len(m)

	// what becomes of the seed of a map that is emptied
	before := seedOf(m)
	one := map[uint64]uint64{1: 1}
	oneBefore := seedOf(one)
	delete(one, 1)
	clear(m)

	result := map[string]any{
		"go": runtime.Version(), "maps": maps, "seeds": len(seeds),
		"fixed": fmt.Sprintf("%016x", hashOf(hash, 1, 1)), "first_seed": fmt.Sprintf("%x", oneBefore),
		"zero": map[string]any{"chi": chi(zeros[:]), "high_zero": zeros[0]},
		"run":  map[string]any{"chi": chi(where.High[:]), "high_zero": where.High[0]}, "places": where,
		"cleared": seedOf(m) != before, "emptied": seedOf(one) != oneBefore,
		"integers": seedEntersHow(func(i uint64, s uintptr) uintptr { return hashOf(hash, i, s) }, keys),
		"strings": seedEntersHow(func(i uint64, s uintptr) uintptr {
			text := strconv.FormatUint(mix(i), 36)
			return hashString(unsafe.Pointer(&text), s)
		}, keys),
	}
	if where.Entries != entries {
		fmt.Fprintln(os.Stderr, "entries are missing in the table")
		os.Exit(1)
	}
	if json.NewEncoder(os.Stdout).Encode(result) != nil {
		os.Exit(1)
	}
}

func hashOf(hash hasher, key uint64, seed uintptr) uintptr { return hash(unsafe.Pointer(&key), seed) }
