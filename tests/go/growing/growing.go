// A program that knows how often its maps grew.  It says "ready" and then answers lines:
//
//	fill MAPS ENTRIES ROUTINES  in each of so many goroutines, all at once, so many maps of so many entries: how often they
//	                            grew, all together, as their headers say
//	collect                     a garbage collection: how many there were
//	large BYTES                 one allocation of so many bytes, each page of which is written to
//	quit
//
// Goroutines begin with small stacks and fill their maps far down, so that a growth itself finds the stack too small.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

var (
	Kept  [][]map[int]int
	Large []byte
)

// Headers as they are: B of a classic map; directory of a Swiss one, whose tables of 1024 slots split.
type classic struct {
	count int
	flags uint8
	b     uint8
}

type table struct {
	used, capacity uint16
}

type directory struct {
	used      uint64
	seed      uintptr
	tables    unsafe.Pointer
	directory int
}

const most = 1024

// Made without a hint, so of one bucket, or group: it has doubled, and each split made one table more.
func growths(m map[int]int) int {
	header := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	if !swiss {
		return int((*classic)(header).b)
	}
	d := (*directory)(header)
	if d.directory == 0 {
		return 0
	}
	tables := map[*table]bool{}
	for _, t := range unsafe.Slice((**table)(d.tables), d.directory) {
		tables[t] = true
	}
	doubled := 0
	for t := range tables {
		for c := 8; c < int(t.capacity) && len(tables) == 1; c *= 2 {
			doubled++
		}
	}
	if len(tables) > 1 {
		for c := 8; c < most; c *= 2 {
			doubled++
		}
	}
	return doubled + len(tables) - 1
}

//go:noinline
func fill(depth, entries int) map[int]int {
	var frame [100]byte
	if depth > 0 {
		frame[depth%100] = byte(depth)
		m := fill(depth-1, entries)
		runtime.KeepAlive(&frame)
		return m
	}
	m := make(map[int]int)
	for i := 0; i < entries; i++ {
		m[i] = i
	}
	return m
}

func fillAll(maps, entries, routines int) (n int) {
	var all sync.WaitGroup
	kept := make([][]map[int]int, routines)
	for r := range kept {
		all.Add(1)
		go func(r int) {
			defer all.Done()
			for i := 0; i < maps; i++ {
				kept[r] = append(kept[r], fill(i%40, entries))
			}
		}(r)
	}
	all.Wait()
	for _, maps := range kept {
		for _, m := range maps {
			n += growths(m)
		}
	}
	Kept = append(Kept, kept...)
	return n
}

func main() {
	var stats runtime.MemStats
	lines := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for lines.Scan() {
		var what string
		var a, b, c int
		fmt.Sscan(lines.Text(), &what, &a, &b, &c)
		switch what {
		case "fill":
			fmt.Println(fillAll(a, b, c))
		case "collect":
			runtime.GC()
			runtime.ReadMemStats(&stats)
			fmt.Println(stats.NumGC)
		case "large":
			Large = make([]byte, a)
			syscall.Madvise(Large[:a&^4095], syscall.MADV_NOHUGEPAGE) // or these are few pages
			for i := 0; i < a; i += 4096 {
				Large[i] = 1
			}
			fmt.Println(len(Large))
		case "quit":
			return
		}
	}
}
