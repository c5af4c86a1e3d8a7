// oracle runs sequences of operations on real Go maps and writes down their exact state after each: what
// ../test_oracle.c replays on the classic map and compares.  oracle.sh builds it with Go 1.23.
//
//	oracle [-seed N] [-from N] [-n N]    sequences from..from+n-1 of that seed, as digests (the form of ../oracle.txt)
//	oracle -seed N -dump SEQ -op OP      the state of one sequence after one operation, as text
//
// How Go is made to repeat itself: reflect.MapOf on named types makes a map type on the heap, whose hash function
// (offset 72 of the descriptor) is replaced by one that the C side has too.  hash0 is forced to a known value whenever
// Go has drawn one, and the start of an iteration whenever one begins.  The runtime's own functions are called by name, so
// each path (generic, fast32, fast64, fast64ptr, faststr) can be chosen.  The collector is off: keys and elems typed as
// pointers hold small numbers.
//
// The state is fed word by word into a digest: header, pool position, then every bucket of the old and the new array with
// its overflow chain: place in the pool, tophash bytes, key slots, elem slots.  Bytes left behind by deletes count.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"
)

//go:linkname makemap runtime.makemap
func makemap(t unsafe.Pointer, hint int, h unsafe.Pointer) *hmap

//go:linkname mapassign runtime.mapassign
func mapassign(t unsafe.Pointer, h *hmap, key unsafe.Pointer) unsafe.Pointer

//go:linkname mapassign_fast32 runtime.mapassign_fast32
func mapassign_fast32(t unsafe.Pointer, h *hmap, key uint32) unsafe.Pointer

//go:linkname mapassign_fast64 runtime.mapassign_fast64
func mapassign_fast64(t unsafe.Pointer, h *hmap, key uint64) unsafe.Pointer

//go:linkname mapassign_fast64ptr runtime.mapassign_fast64ptr
func mapassign_fast64ptr(t unsafe.Pointer, h *hmap, key unsafe.Pointer) unsafe.Pointer

//go:linkname mapassign_faststr runtime.mapassign_faststr
func mapassign_faststr(t unsafe.Pointer, h *hmap, key string) unsafe.Pointer

//go:linkname mapaccess2 runtime.mapaccess2
func mapaccess2(t unsafe.Pointer, h *hmap, key unsafe.Pointer) (unsafe.Pointer, bool)

//go:linkname mapaccess2_fast32 runtime.mapaccess2_fast32
func mapaccess2_fast32(t unsafe.Pointer, h *hmap, key uint32) (unsafe.Pointer, bool)

//go:linkname mapaccess2_fast64 runtime.mapaccess2_fast64
func mapaccess2_fast64(t unsafe.Pointer, h *hmap, key uint64) (unsafe.Pointer, bool)

//go:linkname mapaccess2_faststr runtime.mapaccess2_faststr
func mapaccess2_faststr(t unsafe.Pointer, h *hmap, key string) (unsafe.Pointer, bool)

//go:linkname mapdelete runtime.mapdelete
func mapdelete(t unsafe.Pointer, h *hmap, key unsafe.Pointer)

//go:linkname mapdelete_fast32 runtime.mapdelete_fast32
func mapdelete_fast32(t unsafe.Pointer, h *hmap, key uint32)

//go:linkname mapdelete_fast64 runtime.mapdelete_fast64
func mapdelete_fast64(t unsafe.Pointer, h *hmap, key uint64)

//go:linkname mapdelete_faststr runtime.mapdelete_faststr
func mapdelete_faststr(t unsafe.Pointer, h *hmap, key string)

//go:linkname mapclear runtime.mapclear
func mapclear(t unsafe.Pointer, h *hmap)

//go:linkname mapiterinit runtime.mapiterinit
func mapiterinit(t unsafe.Pointer, h *hmap, it *hiter)

//go:linkname mapiternext runtime.mapiternext
func mapiternext(it *hiter)

//go:linkname roundupsize runtime.roundupsize
func roundupsize(size uintptr, noscan bool) uintptr

//go:linkname mapclone2 runtime.mapclone2
func mapclone2(t unsafe.Pointer, h *hmap) *hmap

type hmap struct {
	count      int
	flags, B   uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
	extra      *mapextra
}

type mapextra struct {
	overflow, oldoverflow, nextOverflow unsafe.Pointer
}

type hiter struct {
	key, elem             unsafe.Pointer
	t                     unsafe.Pointer
	h                     *hmap
	buckets, bptr         unsafe.Pointer
	overflow, oldoverflow unsafe.Pointer
	startBucket           uintptr
	offset                uint8
	wrapped               bool
	B, i                  uint8
	bucket, checkBucket   uintptr
}

// ---- types ----

type (
	kU64 uint64
	kU32 uint32
	kU8  uint8
	kStr string
	kF64 float64
	kF32 float32
	kPtr *byte
	k24  [24]byte
	k128 [128]byte
	k129 [129]byte
	k200 [200]byte
	eU64 uint64
	eU32 uint32
	eU8  uint8
	ePtr *byte
	e0   struct{}
	e6   [6]byte
	e128 [128]byte
	e129 [129]byte
	e200 [200]byte
)

type path int

const (
	generic path = iota
	fast32
	fast64
	fast64ptr
	faststr
)

type kind struct {
	name      string
	key, elem any
	path      path
}

// The names are parsed by test_oracle.c: key kind and size, elem size, p for pointers, path.
var kinds = []kind{
	{"m8-8-generic", kU64(0), eU64(0), generic},
	{"m8-8-fast", kU64(0), eU64(0), fast64},
	{"m4-4-fast", kU32(0), eU32(0), fast32},
	{"m4-8-generic", kU32(0), eU64(0), generic},
	{"m8-1-fast", kU64(0), eU8(0), fast64},
	{"m8-0-fast", kU64(0), e0{}, fast64},
	{"m1-1-generic", kU8(0), eU8(0), generic},
	{"m24-8-generic", k24{}, eU64(0), generic},
	{"m8-8p-fast", kU64(0), ePtr(nil), fast64},
	{"m8-8p-generic", kU64(0), ePtr(nil), generic},
	{"p8-8-fast", kPtr(nil), eU64(0), fast64ptr},
	{"p8-8-generic", kPtr(nil), eU64(0), generic},
	{"s16-8-fast", kStr(""), eU64(0), faststr},
	{"s16-8p-fast", kStr(""), ePtr(nil), faststr},
	{"s16-0-fast", kStr(""), e0{}, faststr},
	{"s16-6-fast", kStr(""), e6{}, faststr}, // B = 5 fills a size class: pointers make the array larger
	{"s16-8-generic", kStr(""), eU64(0), generic},
	{"s16-200-generic", kStr(""), e200{}, generic},
	{"f8-8-generic", kF64(0), eU64(0), generic},
	{"f4-1-generic", kF32(0), eU8(0), generic},
	{"f8-8p-generic", kF64(0), ePtr(nil), generic},
	{"m128-128-generic", k128{}, e128{}, generic},
	{"m129-129-generic", k129{}, e129{}, generic},
	{"m200-8-generic", k200{}, eU64(0), generic},
	{"m8-200-generic", kU64(0), e200{}, generic},
	{"m4-129-generic", kU32(0), e129{}, generic},
}

// ---- what both sides must do alike (test_oracle.c) ----

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}
func (r *random) below(n uint64) uint64 { return r.next() % n }

type digest uint64

func (d *digest) word(w uint64) {
	x := uint64(*d) ^ w
	*d = digest((x<<23 | x>>41) * 0x9e3779b97f4a7c15)
}

func (d *digest) bytes(b []byte) {
	for len(b) > 0 {
		var w uint64
		n := min(8, len(b))
		for i := 0; i < n; i++ {
			w |= uint64(b[i]) << (8 * i)
		}
		d.word(w)
		b = b[n:]
	}
}

const seed0 = 0x5eed0000

// Hash functions, by number.
func hashBytes(way int, b []byte, seed uint64) uint64 {
	d := digest(seed)
	d.bytes(b)
	good := mix(uint64(d) ^ uint64(len(b)))
	var first uint64
	for i := 0; i < min(8, len(b)); i++ {
		first |= uint64(b[i]) << (8 * i)
	}
	switch way {
	case 1: // few low bits: long chains
		return good&^0xff | good>>32&3
	case 2: // few tophash values, among them those that are marks
		return good&^(0xff<<56) | (good>>8&7)<<56
	case 3: // all alike
		return 0x0700000000000005
	case 4: // the key itself
		return first
	case 5: // keys of one wave share a bucket
		return good&^0xffff | (first>>6)*0x9e37&0xffff
	}
	return good
}

var (
	hashWay int
	nanSeen uint64
)

func nanHash() uint64 { nanSeen++; return mix(nanSeen) }

func hasherOf(k kind) func(unsafe.Pointer, uintptr) uintptr {
	size := reflect.TypeOf(k.key).Size()
	return func(p unsafe.Pointer, seed uintptr) uintptr {
		var b []byte
		switch k.key.(type) {
		case kStr:
			b = []byte(*(*string)(p))
		case kF64:
			f := *(*float64)(p)
			if f != f {
				return uintptr(nanHash())
			}
			if f == 0 {
				b = make([]byte, 8)
			} else {
				b = unsafe.Slice((*byte)(p), 8)
			}
		case kF32:
			f := *(*float32)(p)
			if f != f {
				return uintptr(nanHash())
			}
			if f == 0 {
				b = make([]byte, 4)
			} else {
				b = unsafe.Slice((*byte)(p), 4)
			}
		default:
			b = unsafe.Slice((*byte)(p), size)
		}
		return uintptr(hashBytes(hashWay, b, uint64(uint32(seed))))
	}
}

func word(n uint64, i int) byte { return byte(n >> (8 * (i % 8))) }

// Key number n as bytes; strings keep theirs alive for ever.
func fillKey(k kind, p unsafe.Pointer, n uint64) {
	switch k.key.(type) {
	case kStr:
		b := make([]byte, 8+(n*7)%50)
		for i := range b {
			b[i] = 'x'
		}
		for i := 0; i < 8; i++ {
			b[i] = word(n, i)
		}
		*(*string)(p) = string(b)
	case kF64:
		f := float64(n)
		if n == 1 {
			f = math.Copysign(0, -1)
		} else if n == 2 || n == 3 {
			f = math.Float64frombits(0x7ff8000000000000 + n)
		}
		*(*float64)(p) = f
	case kF32:
		f := float32(n)
		if n == 1 {
			f = float32(math.Copysign(0, -1))
		} else if n == 2 || n == 3 {
			f = math.Float32frombits(0x7fc00000 + uint32(n))
		}
		*(*float32)(p) = f
	case kPtr:
		*(*uint64)(p) = n + 1
	default:
		b := unsafe.Slice((*byte)(p), reflect.TypeOf(k.key).Size())
		for i := range b {
			b[i] = word(n, i)
		}
	}
}

func fillElem(k kind, p unsafe.Pointer, v uint64) {
	if _, ok := k.elem.(ePtr); ok {
		*(*uint64)(p) = v%4096 + 1
		return
	}
	b := unsafe.Slice((*byte)(p), reflect.TypeOf(k.elem).Size())
	for i := range b {
		b[i] = word(v, i)
	}
}

const (
	opAssign = iota
	opDelete
	opGet
	opIterBegin
	opIterNext
	opIterEnd
	opClear
	opClone
)

// Of 1000 operations, by profile: assigns, deletes, gets, iterations begun, gone on with, left; clears; clones.
var weights = [][8]uint64{
	{500, 300, 60, 20, 100, 10, 5, 5},
	{850, 50, 30, 15, 50, 3, 1, 1},
	{350, 500, 30, 20, 90, 5, 3, 2},
	{0, 0, 0, 40, 140, 5, 1, 1}, // waves: the rest as below
	{0, 0, 0, 10, 60, 2, 0, 1},  // ramp
}

type op struct {
	what   int
	key, v uint64
}

func (s *sequence) draw(i int) op {
	o := op{v: s.r.next()}
	x := s.r.below(1000)
	o.key = s.r.below(uint64(s.universe))
	for o.what = 0; o.what < 8; o.what++ {
		w := weights[s.profile][o.what]
		if x < w {
			return o
		}
		x -= w
	}
	if s.profile == 3 { // insert 50 keys of one bucket, delete most of them, on to the next bucket
		wave, at := uint64(i/100), uint64(i%100)
		o.what, o.key = opAssign, wave*64+at
		if at >= 50 {
			o.key -= 50
			if o.what = opDelete; x%5 == 0 {
				o.what = opGet
			}
		}
	} else { // up and down again
		o.what, o.key = opAssign, uint64(i)
		if top := s.ops * 6 / 10; i >= top {
			o.what, o.key = opDelete, uint64(i-top)
		}
	}
	return o
}

// ---- a sequence ----

const iters = 3

type sequence struct {
	id, kind, way, hint, universe, profile, ops, stride int
	seed                                                uint64

	r       random
	k       kind
	t       unsafe.Pointer
	h       *hmap
	hash0   uint32
	reseeds uint32
	it      [iters]hiter
	live    [iters]bool
	keyBuf  unsafe.Pointer
	out     *strings.Builder // not nil: the state as text
}

func plan(seed uint64, id int) *sequence {
	r := random(mix(seed) + uint64(id)*0x1000003)
	s := &sequence{id: id, kind: id % len(kinds), seed: r.next()}
	s.way = []int{0, 0, 0, 1, 2, 3, 4, 5}[r.below(8)]
	s.hint = []int{0, 0, 0, 5, 8, 9, 30, 60, 105, 300, -1}[r.below(11)]
	s.profile = []int{0, 0, 1, 2, 3, 4}[r.below(6)]
	s.universe = []int{10, 30, 100, 400, 1500}[r.below(5)]
	s.ops = 200 + int(r.below(400))
	if s.profile == 3 {
		s.way = 5
		s.ops = 600 + int(r.below(600))
		s.hint = []int{60, 105, 210}[r.below(3)]
	}
	if s.way == 1 || s.way == 3 {
		s.universe = min(s.universe, 100)
		s.ops = min(s.ops, 400)
	}
	s.stride = 1
	if r.below(10) == 0 { // a few that grow large
		s.ops, s.universe, s.stride, s.way = 3000, 6000, 8, 0
	}
	return s
}

func (s *sequence) header() string {
	return fmt.Sprintf("seq %d kind %s hash %d hint %d universe %d profile %d ops %d stride %d seed %d",
		s.id, s.k.name, s.way, s.hint, s.universe, s.profile, s.ops, s.stride, s.seed)
}

func (s *sequence) start() {
	s.k = kinds[s.kind]
	hashWay, nanSeen = s.way, 0
	mt := reflect.MapOf(reflect.TypeOf(s.k.key), reflect.TypeOf(s.k.elem))
	s.t = (*[2]unsafe.Pointer)(unsafe.Pointer(&mt))[1]
	*(*func(unsafe.Pointer, uintptr) uintptr)(unsafe.Add(s.t, 72)) = hasherOf(s.k)
	s.r = random(s.seed)
	s.h = makemap(s.t, s.hint, nil)
	s.h.hash0 = seed0
	s.hash0, s.reseeds = seed0, 0
	s.keyBuf = reflect.New(reflect.TypeOf(s.k.key)).UnsafePointer()
}

// Go has drawn a new hash0: count it, and make it ours.
func (s *sequence) settle() {
	if s.h.hash0 != s.hash0 {
		s.reseeds++
		s.hash0 = seed0 + s.reseeds
		s.h.hash0 = s.hash0
	}
}

func (s *sequence) assign(key unsafe.Pointer) unsafe.Pointer {
	switch s.k.path {
	case fast32:
		return mapassign_fast32(s.t, s.h, *(*uint32)(key))
	case fast64:
		return mapassign_fast64(s.t, s.h, *(*uint64)(key))
	case fast64ptr:
		return mapassign_fast64ptr(s.t, s.h, *(*unsafe.Pointer)(key))
	case faststr:
		return mapassign_faststr(s.t, s.h, *(*string)(key))
	}
	return mapassign(s.t, s.h, key)
}

func (s *sequence) remove(key unsafe.Pointer) {
	switch s.k.path {
	case fast32:
		mapdelete_fast32(s.t, s.h, *(*uint32)(key))
	case fast64, fast64ptr:
		mapdelete_fast64(s.t, s.h, *(*uint64)(key))
	case faststr:
		mapdelete_faststr(s.t, s.h, *(*string)(key))
	default:
		mapdelete(s.t, s.h, key)
	}
}

func (s *sequence) get(key unsafe.Pointer) (unsafe.Pointer, bool) {
	switch s.k.path {
	case fast32:
		return mapaccess2_fast32(s.t, s.h, *(*uint32)(key))
	case fast64, fast64ptr:
		return mapaccess2_fast64(s.t, s.h, *(*uint64)(key))
	case faststr:
		return mapaccess2_faststr(s.t, s.h, *(*string)(key))
	}
	return mapaccess2(s.t, s.h, key)
}

// Begin an iteration at a place that r says.
func (s *sequence) iterBegin(n int, r uint64) {
	it := &s.it[n]
	*it = hiter{}
	s.live[n] = s.h.count > 0
	if !s.live[n] {
		return
	}
	mapiterinit(s.t, s.h, it) // takes the first step, which is taken back
	it.startBucket = uintptr(r) & (1<<it.B - 1)
	it.offset = uint8(r >> it.B & 7)
	it.bucket = it.startBucket
	it.wrapped, it.bptr, it.i, it.key, it.elem = false, nil, 0, nil, nil
}

// Do operation o; what it lets one see goes into d.
func (s *sequence) do(o op, d *digest) {
	fillKey(s.k, s.keyBuf, o.key)
	n := int(o.key % iters)
	switch o.what {
	case opAssign:
		fillElem(s.k, s.assign(s.keyBuf), o.v)
	case opDelete:
		s.remove(s.keyBuf)
	case opGet:
		p, ok := s.get(s.keyBuf)
		if ok {
			d.word(1)
			s.elemWords(d, p)
		} else {
			d.word(0)
		}
	case opIterBegin:
		s.iterBegin(n, o.v)
	case opIterNext:
		for i := uint64(0); i <= o.v%16 && s.live[n]; i++ {
			mapiternext(&s.it[n])
			s.live[n] = s.it[n].key != nil
			if s.live[n] {
				s.keyWords(d, s.it[n].key)
				s.elemWords(d, s.it[n].elem)
			} else {
				d.word(0)
			}
		}
	case opIterEnd:
		s.live[n] = false
	case opClear:
		mapclear(s.t, s.h)
	case opClone:
		hash0 := s.h.hash0
		s.h = mapclone2(s.t, s.h)
		s.h.hash0 = hash0
		s.live = [iters]bool{}
	}
	s.settle()
}

// ---- state ----

// A key or elem outside its slot; of long ones the ends.
func ends(d *digest, p unsafe.Pointer, size uintptr) {
	if size <= 16 {
		d.bytes(unsafe.Slice((*byte)(p), size))
		return
	}
	d.bytes(unsafe.Slice((*byte)(p), 8))
	d.bytes(unsafe.Slice((*byte)(unsafe.Add(p, size-8)), 8))
}

func (s *sequence) keyWords(d *digest, p unsafe.Pointer) {
	if _, ok := s.k.key.(kStr); ok {
		str := (*[2]uint64)(p)
		d.word(str[1])
		if str[0] != 0 {
			d.bytes([]byte(*(*string)(p)))
		}
		return
	}
	ends(d, p, reflect.TypeOf(s.k.key).Size())
}

func (s *sequence) elemWords(d *digest, p unsafe.Pointer) {
	ends(d, p, reflect.TypeOf(s.k.elem).Size())
}

func slotSize(size uintptr) uintptr {
	if size > 128 {
		return 8
	}
	return size
}

func (s *sequence) slot(d *digest, p unsafe.Pointer, size uintptr, top uint8, words func(*digest, unsafe.Pointer)) {
	if size <= 128 {
		words(d, p)
	} else if cell := *(*unsafe.Pointer)(p); cell == nil {
		d.word(0)
	} else if top >= 2 && top <= 4 {
		d.word(2) // the cell belongs to the new slot, and may be gone
	} else {
		d.word(1)
		words(d, cell)
	}
}

func b2w(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Buckets of an array, its pool included.
func (s *sequence) arrayBuckets(b uint8, size uintptr) uintptr {
	n := uintptr(1) << b
	if b < 4 {
		return n
	}
	_, stringKey := s.k.key.(kStr)
	_, pointerKey := s.k.key.(kPtr)
	_, pointerElem := s.k.elem.(ePtr)
	large := reflect.TypeOf(s.k.key).Size() > 128 || reflect.TypeOf(s.k.elem).Size() > 128
	n += n >> 4
	return roundupsize(n*size, !stringKey && !pointerKey && !pointerElem && !large) / size
}

func (s *sequence) array(d *digest, base unsafe.Pointer, b uint8, old bool) {
	ks, es := reflect.TypeOf(s.k.key).Size(), reflect.TypeOf(s.k.elem).Size()
	kslot, eslot := slotSize(ks), slotSize(es)
	size := 8 + 8*kslot + 8*eslot + 8
	buckets := s.arrayBuckets(b, size)
	for i := uintptr(0); i < 1<<b; i++ {
		depth := 0
		for p := unsafe.Add(base, i*size); p != nil; p = *(*unsafe.Pointer)(unsafe.Add(p, size-8)) {
			place := uint64(math.MaxUint64)
			if at := uintptr(p) - uintptr(base); uintptr(p) >= uintptr(base) && at < buckets*size {
				place = uint64(at / size)
			}
			before := *d
			tops := unsafe.Slice((*byte)(p), 8)
			d.word(place)
			d.bytes(tops)
			for k := uintptr(0); k < 8; k++ {
				s.slot(d, unsafe.Add(p, 8+k*kslot), ks, tops[k], s.keyWords)
				s.slot(d, unsafe.Add(p, 8+8*kslot+k*eslot), es, tops[k], s.elemWords)
			}
			if s.out != nil {
				fmt.Fprintf(s.out, "%s %d.%d pool %d tophash %v content %016x\n", []string{"new", "old"}[b2w(old)],
					i, depth, int64(place), tops, uint64(*d)-uint64(before))
			}
			depth++
		}
		d.word(uint64(depth))
	}
}

func (s *sequence) state(d *digest) {
	h := s.h
	size := 8 + 8*slotSize(reflect.TypeOf(s.k.key).Size()) + 8*slotSize(reflect.TypeOf(s.k.elem).Size()) + 8
	pool := uint64(math.MaxUint64)
	var lists uint64
	if h.extra != nil {
		lists = 1 + 2*b2w(h.extra.overflow != nil) + 4*b2w(h.extra.oldoverflow != nil)
		if h.extra.nextOverflow != nil {
			pool = uint64((uintptr(h.extra.nextOverflow) - uintptr(h.buckets)) / size)
		}
	}
	for _, w := range []uint64{uint64(h.count), uint64(h.flags), uint64(h.B), uint64(h.noverflow),
		uint64(h.nevacuate), uint64(h.hash0), b2w(h.oldbuckets != nil), pool, lists} {
		d.word(w)
	}
	if s.out != nil {
		fmt.Fprintf(s.out, "count %d flags %d B %d noverflow %d nevacuate %d hash0 %x growing %d pool %d extra %d\n",
			h.count, h.flags, h.B, h.noverflow, h.nevacuate, h.hash0, b2w(h.oldbuckets != nil), int64(pool), lists)
	}
	if h.oldbuckets != nil {
		s.array(d, h.oldbuckets, h.B-uint8(b2w(h.flags&8 == 0)), true)
	}
	if h.buckets != nil {
		s.array(d, h.buckets, h.B, false)
	}
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"

func (s *sequence) run(w *bufio.Writer, dumpAt int) {
	s.start()
	if dumpAt < 0 {
		fmt.Fprintln(w, s.header())
	}
	var all digest
	for i := 0; i < s.ops; i++ {
		var d digest
		o := s.draw(i)
		s.do(o, &d)
		last := i == s.ops-1 || i == dumpAt
		if i == dumpAt {
			s.out = new(strings.Builder)
		}
		if i%s.stride == 0 || last {
			s.state(&d)
			all.word(uint64(d))
			if dumpAt < 0 {
				w.WriteByte(letters[d>>58])
			}
		}
		if i == dumpAt {
			fmt.Fprintf(w, "%s\nop %d what %d key %d v %d\n%sdigest %016x\n", s.header(), i, o.what, o.key, o.v, s.out, uint64(d))
			return
		}
	}
	fmt.Fprintf(w, "\nend %016x count %d B %d noverflow %d nevacuate %d flags %d\n",
		uint64(all), s.h.count, s.h.B, s.h.noverflow, s.h.nevacuate, s.h.flags)
}

func main() {
	seed := flag.Uint64("seed", 777, "seed of the sequences")
	from := flag.Int("from", 0, "first sequence")
	n := flag.Int("n", 300, "sequences")
	dump := flag.Int("dump", -1, "dump this sequence instead")
	at := flag.Int("op", 0, "after this operation")
	flag.Parse()
	if v := runtime.Version(); v != "go1.23" && !strings.HasPrefix(v, "go1.23.") {
		fmt.Fprintf(os.Stderr, "oracle: built with %s, wants go1.23\n", v)
		os.Exit(1)
	}
	debug.SetGCPercent(-1)
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	if *dump >= 0 {
		plan(*seed, *dump).run(w, *at)
		return
	}
	fmt.Fprintf(w, "# %s, seed %d, sequences %d to %d; made by: tests/model/oracle.sh --update\n", runtime.Version(), *seed, *from, *from+*n-1)
	for i := *from; i < *from+*n; i++ {
		plan(*seed, i).run(w, -1)
	}
}
