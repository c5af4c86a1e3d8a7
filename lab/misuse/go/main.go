// misuse MODE: does to a real Go map what must not be done, and what may be.
//
//	writes     four goroutines put keys of their own into one map, without a lock: the workload of an article
//	read, iterate, clone   one goroutine writes, another reads, ranges or clones
//	nil        all operations on a nil map
//	param      a function overwrites the map parameter it was given, through its address
//	fault      the same, and then uses the parameter
//	flags      the write mark of the map's header while the map calls the hash function of its keys (up to 1.23)
//
// A mode that comes to its end prints one JSON document.  Goroutines recover from panics: what ends the program was none.
package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const (
	writers = 4
	each    = 300000
	longest = 3 * time.Second

	flagWriting = 4 // in the header: hashWriting
)

// Run f; a panic is caught and told, a fatal error cannot be.
func guarded(wait *sync.WaitGroup, f func()) {
	wait.Add(1)
	go func() {
		defer wait.Done()
		defer func() {
			if p := recover(); p != nil {
				fmt.Fprintln(os.Stderr, "recovered:", p)
			}
		}()
		f()
	}()
}

func writes() {
	m := map[int]int{}
	var wait sync.WaitGroup
	for w := 0; w < writers; w++ {
		guarded(&wait, func() {
			for i := 0; i < each; i++ {
				m[i*writers+w] = i
			}
		})
	}
	wait.Wait()
	gokit.Answer{"len": len(m), "put": writers * each}.Print()
}

// One goroutine writes for as long as the other does something else.
func beside(what func(m map[int]int)) {
	m := map[int]int{}
	for i := 0; i < 1000; i++ {
		m[i] = i
	}
	stop := time.Now().Add(longest)
	var wait sync.WaitGroup
	guarded(&wait, func() {
		for i := 0; time.Now().Before(stop); i++ {
			for j := 0; j < 100; j++ {
				m[(i*100+j)%2000] = i
			}
		}
	})
	guarded(&wait, func() {
		for time.Now().Before(stop) {
			what(m)
		}
	})
	wait.Wait()
	gokit.Answer{}.Print()
}

var sink int

func message(f func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
	}()
	f()
	return ""
}

func nilMap() {
	var m map[string]int
	v, ok := m["a"]
	rounds := 0
	for range m {
		rounds++
	}
	gokit.Answer{
		"read": v == 0 && !ok, "len": len(m) == 0, "range": rounds == 0,
		"delete": message(func() { delete(m, "a") }) == "", "clear": message(func() { clear(m) }) == "",
		"write": message(func() { m["a"] = 1 }),
	}.Print()
}

//go:noinline
func overwrite(m map[string]int, with uintptr) { *(*uintptr)(unsafe.Pointer(&m)) = with }

//go:noinline
func overwriteAndUse(m map[string]int, with uintptr) int {
	*(*uintptr)(unsafe.Pointer(&m)) = with
	return m["a"]
}

func param(use bool) {
	m := map[string]int{"a": 1, "b": 2}
	const nowhere = 0x700000001000 // not mapped
	if use {
		fmt.Fprintln(os.Stderr, "recovered:", message(func() { sink = overwriteAndUse(m, nowhere) }))
	}
	overwrite(m, nowhere)
	runtime.GC()
	gokit.Answer{"intact": len(m) == 2 && m["a"] == 1 && m["b"] == 2}.Print()
}

// ---- the write mark

type (
	key  uint64
	elem uint64
)

// Up to 1.23: what lies in a bucket, as the type the compiler made for it says.
func bucketFields(m any) (names []string) {
	descriptor := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	bucket := *(*unsafe.Pointer)(unsafe.Add(descriptor, 64))
	face := struct{ kind, data unsafe.Pointer }{bucket, unsafe.Pointer(new([64]uint64))}
	t := reflect.TypeOf(*(*any)(unsafe.Pointer(&face)))
	for i := 0; i < t.NumField(); i++ {
		names = append(names, fmt.Sprintf("%s %d", t.Field(i).Name, t.Field(i).Type.Size()))
	}
	return names
}

func flags() {
	gokit.Must(gokit.IsClassic(), "the header of this version is another")
	// No map type of these names is in the program: reflect makes one, on the heap, whose hash function can be replaced.
	t := reflect.MapOf(reflect.TypeOf(key(0)), reflect.TypeOf(elem(0)))
	var header *gokit.Classic
	marked, growing, both, calls := 0, 0, 0, 0
	*gokit.HashOf(t) = func(p unsafe.Pointer, seed uintptr) uintptr {
		if header != nil {
			writing := header.Flags&flagWriting != 0
			calls++
			if writing {
				marked++
			}
			if header.Growing() {
				growing++
			}
			if writing && header.Growing() {
				both++
			}
		}
		return uintptr(*(*uint64)(p)*0x9e3779b97f4a7c15) ^ seed
	}
	m := reflect.MakeMap(t)
	header = (*gokit.Classic)(m.UnsafePointer())
	for i := 0; i < 20000; i++ {
		m.SetMapIndex(reflect.ValueOf(key(i)), reflect.ValueOf(elem(i)))
	}
	gokit.Must(m.Len() == 20000 && m.MapIndex(reflect.ValueOf(key(7))).IsValid(), "entries were lost")
	gokit.Answer{"calls": calls, "marked": marked, "growing": growing, "both": both,
		"bucket": bucketFields(map[uint64]uint64{})}.Print()
}

func main() {
	modes := map[string]func(){
		"writes": writes, "nil": nilMap, "flags": flags,
		"param": func() { param(false) }, "fault": func() { param(true) },
		"read": func() { beside(func(m map[int]int) { sink += m[7] }) },
		"iterate": func() {
			beside(func(m map[int]int) {
				for k := range m {
					sink += k
				}
			})
		},
		"clone": func() { beside(func(m map[int]int) { sink += len(maps.Clone(m)) }) },
	}
	if len(os.Args) != 2 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: misuse MODE")
		os.Exit(64)
	}
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	modes[os.Args[1]]()
}
