// seeds MAPS KEYS: what real Go maps do with hash and seed, read out of their headers, tables and types.
// The hash function is that of the map type's descriptor.
package main

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

// group is one of a Swiss map[uint64]uint64.
type group struct {
	control [8]uint8 // 0x80 and more: no entry
	slots   [8]struct{ key, elem uint64 }
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

func look(m map[uint64]uint64, hash gokit.Hash) (p places) {
	seed := gokit.SeedOf(m)
	if gokit.IsClassic() {
		h := gokit.ClassicOf(m)
		p.B = h.B
		for i := uint64(0); i < 1<<p.B; i++ {
			for b := gokit.At(h.Buckets, i); b != nil; b = b.Overflow {
				for slot, top := range b.Tops {
					if top >= gokit.MinTopHash {
						of := hashOf(hash, b.Keys[slot], seed)
						p.note(of&(1<<p.B-1) == uintptr(i), of>>56+5*b2i(of>>56 < 5) == uintptr(top), of)
						p.Moved += int(b2i(of>>56 < 5))
					}
				}
			}
		}
		return p
	}
	h := gokit.SwissOf(m)
	p.B = h.GlobalDepth
	for d, table := range h.Directory() {
		if table.Index != d { // one table may stand in several places
			continue
		}
		same := p.B - table.LocalDepth // directory entries that share it, as bits
		for g := uint64(0); g <= table.LengthMask; g++ {
			at := (*group)(unsafe.Add(table.Groups, uintptr(g)*unsafe.Sizeof(group{})))
			for slot, control := range at.control {
				if control < 0x80 {
					of := hashOf(hash, at.slots[slot].key, seed)
					p.note(of&0x7f == uintptr(control), of>>h.GlobalShift>>same == uintptr(d)>>same, of)
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
	gokit.Must(len(os.Args) == 3, "usage: seeds MAPS KEYS")
	maps, keys := gokit.Number(os.Args[1], 1), gokit.Number(os.Args[2], 1)
	hash := *gokit.HashOf(reflect.TypeOf(map[uint64]uint64{}))
	hashString := *gokit.HashOf(reflect.TypeOf(map[string]uint64{}))

	// the key 0 in many maps: its high byte, and how many seeds there are
	seeds, zeros := map[uintptr]bool{}, [256]uint{}
	for i := 0; i < maps; i++ {
		m := map[uint64]uint64{0: 0}
		seeds[gokit.SeedOf(m)] = true
		zeros[hashOf(hash, 0, gokit.SeedOf(m))>>56]++
	}

	// the keys 0, 1, 2, ... in one map
	m := map[uint64]uint64{}
	for i := 0; i < keys || gokit.IsClassic() && gokit.ClassicOf(m).Growing(); i++ {
		m[uint64(i)] = 1
	}
	where := look(m, hash)
	gokit.Must(where.Entries == len(m), "entries are missing in the table")

	// what becomes of the seed of a map that is emptied
	before := gokit.SeedOf(m)
	one := map[uint64]uint64{1: 1}
	oneBefore := gokit.SeedOf(one)
	delete(one, 1)
	clear(m)

	gokit.Answer{
		"maps": maps, "seeds": len(seeds),
		"fixed": fmt.Sprintf("%016x", hashOf(hash, 1, 1)), "first_seed": fmt.Sprintf("%x", oneBefore),
		"zero": map[string]any{"chi": chi(zeros[:]), "high_zero": zeros[0]},
		"run":  map[string]any{"chi": chi(where.High[:]), "high_zero": where.High[0]}, "places": where,
		"cleared": gokit.SeedOf(m) != before, "emptied": gokit.SeedOf(one) != oneBefore,
		"integers": seedEntersHow(func(i uint64, s uintptr) uintptr { return hashOf(hash, i, s) }, keys),
		"strings": seedEntersHow(func(i uint64, s uintptr) uintptr {
			text := strconv.FormatUint(gokit.Mix(i), 36)
			return hashString(unsafe.Pointer(&text), s)
		}, keys),
	}.Print()
}

func hashOf(hash gokit.Hash, key uint64, seed uintptr) uintptr {
	return hash(unsafe.Pointer(&key), seed)
}
