// A program whose runtime samples its allocations, most of which are maps.  It answers questions from its own profile:
//
//	totals       inuse_objects inuse_space alloc_objects alloc_space, after two collections, as runtime/pprof scales them
//	of FUNCTION  inuse_space of the records whose innermost frame outside of the runtime is that function
//	entries      of the maps Big and Small
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

const bigEntries, smallMaps = 200000, 300

type holder struct{ tags map[int]int }

var (
	Big   map[uint64][64]byte
	Small []holder
	Other [][]byte
	gone  [][]byte
)

//go:noinline
func fill(n int) map[uint64][64]byte {
	m := map[uint64][64]byte{}
	for i := 0; i < n; i++ {
		m[uint64(i)] = [64]byte{1}
	}
	return m
}

// Inlined: it has a frame all the same.
func inlined(n int) map[uint64][64]byte { return fill(n) }

//go:noinline
func others(n int) [][]byte {
	var all [][]byte
	for i := 0; i < n; i++ {
		all = append(all, make([]byte, 1<<20))
	}
	return all
}

// As runtime/pprof does it.
func scale(count, size, rate int64) (int64, int64) {
	if count == 0 || size == 0 {
		return 0, 0
	}
	if rate <= 1 {
		return count, size
	}
	by := 1 / (1 - math.Exp(-float64(size)/float64(count)/float64(rate)))
	return int64(float64(count) * by), int64(float64(size) * by)
}

// The innermost frame that is not the runtime's.
func leaf(stack []uintptr) string {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.HasPrefix(f.Function, "internal/runtime/") {
			return f.Function
		}
		if !more {
			return ""
		}
	}
}

var records []runtime.MemProfileRecord

func load() {
	runtime.GC()
	runtime.GC()
	for n := 1000; ; n *= 2 {
		records = make([]runtime.MemProfileRecord, n)
		if got, ok := runtime.MemProfile(records, true); ok {
			records = records[:got]
			return
		}
	}
}

func totals(function string) (sum [4]int64) {
	rate := int64(runtime.MemProfileRate)
	for i := range records {
		r := &records[i]
		if function != "" && leaf(r.Stack()) != function {
			continue
		}
		var v [4]int64
		v[0], v[1] = scale(r.InUseObjects(), r.InUseBytes(), rate)
		v[2], v[3] = scale(r.AllocObjects, r.AllocBytes, rate)
		for k := range v {
			sum[k] += v[k]
		}
	}
	return
}

func answer(line string) string {
	words := strings.Fields(line)
	switch words[0] {
	case "totals":
		load()
		t := totals("")
		return fmt.Sprint(t[0], t[1], t[2], t[3])
	case "of":
		return fmt.Sprint(totals(words[1])[1])
	case "entries":
		n := 0
		for _, h := range Small {
			n += len(h.tags)
		}
		return fmt.Sprint(len(Big), n)
	}
	return "?"
}

func main() {
	debug.SetGCPercent(-1) // only load collects: what was sampled since is not in the profile yet
	gone = others(20)
	gone = nil
	Big = inlined(bigEntries)
	Other = others(30)
	for i := 0; i < smallMaps; i++ {
		h := holder{map[int]int{}}
		for k := 0; k < 20; k++ {
			h.tags[k] = i
		}
		Small = append(Small, h)
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println(answer(in.Text()))
	}
	runtime.KeepAlive(gone)
}
