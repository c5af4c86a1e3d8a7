// A program that knows where the entries of its maps lie.  It says "ready" and then answers lines:
//
//	where KIND N  of entry N: "KEY-ADDRESS VALUE-ADDRESS GROUP HEADER-ADDRESS"; KIND: near, far (keys and values lie elsewhere)
//	stack         address of the header of a map that lies on a stack
//	object        address of an object that is no map's, and how many bytes it asked for
//	burn N        use N bytes of memory, and let the runtime give them back
//	heap          "IN-USE FREE RELEASED" as the runtime counts its heap
//	crash         write through a nil pointer
//	quit
//
// Addresses are found by what is stored there: numbers that are nowhere else.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"
)

const (
	entries  = 5000
	keyMark  = 0x6b65790000000000
	elemMark = 0x76616c0000000000
)

type wide struct {
	number uint64
	rest   [192]byte
}

var (
	Near   map[uint64]uint64
	Far    map[wide]wide
	Object *[100]uint64
	Nil    *uint64
)

func word(p unsafe.Pointer, at uintptr) uint64 { return *(*uint64)(unsafe.Add(p, at)) }

func pointer(p unsafe.Pointer, at uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(p, at))
}

// An array of groups or buckets, and the number of its first.
type array struct {
	at     unsafe.Pointer
	groups uintptr
	first  uintptr
}

// The type and header of a map.
func parts(m any) (typ, header unsafe.Pointer) {
	f := *(*[2]unsafe.Pointer)(unsafe.Pointer(&m))
	return f[0], f[1]
}

func arrays(m any) (size uintptr, all []array) {
	typ, h := parts(m)
	if !swiss {
		size = uintptr(*(*uint16)(unsafe.Add(typ, 82)))
		return size, []array{{pointer(h, 16), 1 << *(*uint8)(unsafe.Add(h, 9)), 0}}
	}
	size = uintptr(word(typ, 80))
	seen, first := map[unsafe.Pointer]bool{}, uintptr(0)
	for i := uintptr(0); i < uintptr(word(h, 24)); i++ {
		t := pointer(pointer(h, 16), 8*i)
		if seen[t] {
			continue
		}
		seen[t] = true
		n := uintptr(word(t, 24)) + 1
		all = append(all, array{pointer(t, 16), n, first})
		first += n
	}
	return size, all
}

// Where in the groups a number is, or a pointer to one.
func find(m any, number uint64, far bool) (at unsafe.Pointer, group uintptr) {
	size, all := arrays(m)
	_, header := parts(m)
	heap := uint64(uintptr(header)) &^ (1<<26 - 1) // an arena
	for _, a := range all {
		for off := uintptr(0); off < a.groups*size; off += 8 {
			w := word(a.at, off)
			if off%size == 0 {
				continue // tophash or control bytes, which may look like anything
			}
			if !far && w == number {
				return unsafe.Add(a.at, off), a.first + off/size
			}
			if far && w-heap < 1<<26 && w%8 == 0 && *(*uint64)(pointer(a.at, off)) == number {
				return pointer(a.at, off), a.first + off/size
			}
		}
	}
	return nil, 0
}

func where(kind string, n uint64) {
	var m any = Near
	if kind == "far" {
		m = Far
	}
	_, header := parts(m)
	key, group := find(m, keyMark+n, kind == "far")
	elem, _ := find(m, elemMark+n, kind == "far")
	fmt.Printf("%#x %#x %d %#x\n", uintptr(key), uintptr(elem), group, uintptr(header))
}

// The map does not escape: its header is in the frame, which stays where it is once the goroutine waits.
//
//go:noinline
func onStack(ready chan<- uintptr, end <-chan bool) {
	m := make(map[uint64]uint64, 40)
	for i := uint64(0); i < 40; i++ {
		m[i] = i
	}
	for i := 0; i < 2; i++ { // the first may move the stack, and m with it
		ready <- *(*uintptr)(unsafe.Pointer(&m))
	}
	<-end
	m[1]++
}

//go:noinline
func burn(line string) {
	var n int
	fmt.Sscanf(line, "burn %d", &n)
	b := make([]byte, n)
	for i := range b {
		b[i] = 1
	}
}

func main() {
	Near, Far = map[uint64]uint64{}, map[wide]wide{}
	Object = new([100]uint64)
	for i := uint64(0); i < entries; i++ {
		Near[keyMark+i] = elemMark + i
		if i < 50 {
			Far[wide{number: keyMark + i}] = wide{number: elemMark + i}
		}
	}
	debug.SetGCPercent(-1)
	ready := make(chan uintptr)
	go onStack(ready, make(chan bool))
	<-ready
	header := <-ready
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var kind string
		var n uint64
		switch line := in.Text(); {
		case line == "stack":
			fmt.Printf("%#x\n", header)
		case line == "object":
			fmt.Printf("%p %d\n", Object, unsafe.Sizeof(*Object))
		case line == "heap":
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			fmt.Println(s.HeapInuse, s.HeapIdle-s.HeapReleased, s.HeapReleased)
		case strings.HasPrefix(line, "burn "):
			burn(line)
			debug.FreeOSMemory()
			fmt.Println("ok")
		case line == "crash":
			*Nil = Near[keyMark+7]
		case line == "quit":
			return
		default:
			if _, err := fmt.Sscanf(line, "where %s %d", &kind, &n); err != nil {
				fmt.Println("what?")
				continue
			}
			where(kind, n)
		}
	}
}
