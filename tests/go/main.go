// A program with thousands of maps, in every kind of place that can hold one, and a register of them all.
//
// It says "ready" and then answers lines:
//
//	dump FILE        write the register as JSON
//	fill N DELETE    a map of N entries of which DELETE are deleted again: bytes the heap grew by
//	syncfill N       a sync.Map of N entries: bytes the heap grew by
//	rebuild          copy that map into a new one: bytes the heap shrank by
//	dead             number of entries, and addresses, of maps that are not there any more
//	frames           goroutines that wait: addresses of maps their frames need, and of one that its frame does not
//	quit
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// Measured is the map of fill and rebuild.
var Measured map[uint64]uint64

func fill(n, remove uint64) int64 {
	Measured = nil
	before := heap()
	Measured = map[uint64]uint64{}
	for i := uint64(0); i < n; i++ {
		Measured[i*0x9e3779b97f4a7c15] = i
	}
	for i := uint64(0); i < remove; i++ {
		delete(Measured, i*0x9e3779b97f4a7c15)
	}
	return int64(heap() - before)
}

func rebuild() int64 {
	before := heap()
	fresh := make(map[uint64]uint64, len(Measured))
	for k, v := range Measured {
		fresh[k] = v
	}
	Measured = fresh
	return int64(before - heap())
}

func answer(line string) bool {
	var file string
	var n, remove uint64
	switch {
	case line == "quit":
		return false
	case line == "dead":
		fmt.Println(dead())
	case line == "frames":
		fmt.Println(frames())
	case line == "rebuild":
		fmt.Println("freed", rebuild())
	case scan(line, "dump %s", &file):
		if err := dump(file); err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println("dumped", len(register))
		}
	case scan(line, "syncfill %d", &n):
		fmt.Println("filled", fillSync(n))
	case scan(line, "fill %d %d", &n, &remove):
		fmt.Println("filled", fill(n, remove))
	default:
		fmt.Println("what?")
	}
	return true
}

func scan(line, format string, out ...any) bool {
	n, err := fmt.Sscanf(line, format, out...)
	return err == nil && n == len(out)
}

func main() {
	hold()
	holdNothing()
	holdOnStacks()
	holdInFrames()
	holdInC()
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1) // stacks keep their place
	holdInPool()
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() && answer(in.Text()) {
	}
}
