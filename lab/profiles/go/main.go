// Package main has something to be profiled: a map that grows.  The first argument says which profile; it prints one JSON
// document about what the profile should show.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

var (
	kept  map[uint64]uint64
	sink  []byte
	total uint64
)

func main() {
	modes := map[string]func(args []string) gokit.Answer{
		"heap": heap, "sampling": sampling, "labels": labels, "trace": traced, "collect": collect,
	}
	mode := modes[os.Args[1]]
	if mode == nil {
		gokit.Fail("no mode '%s'", os.Args[1])
	}
	mode(os.Args[2:]).Print()
}

func create(path string) *os.File {
	file, err := os.Create(path)
	gokit.Check(err)
	return file
}

func fill(m map[uint64]uint64, n int) {
	for i := 0; i < n; i++ {
		m[uint64(i)*0x9e3779b97f4a7c15] = uint64(i)
	}
}

// heap writes the heap profile in its two formats.  array: where the map's buckets begin (hmap.buckets).
func heap(args []string) gokit.Answer {
	runtime.MemProfileRate = 1
	kept = map[uint64]uint64{}
	fill(kept, gokit.Number(args[2], 1))
	runtime.GC()
	for debug, path := range args[:2] {
		file := create(path)
		gokit.Check(pprof.Lookup("heap").WriteTo(file, debug))
		file.Close()
	}
	header := *(*unsafe.Pointer)(unsafe.Pointer(&kept))
	array := *(*uintptr)(unsafe.Add(header, 16))
	return gokit.Answer{"entries": len(kept), "array": array, "header": uintptr(header)}
}

// sampling allocates n objects of 4096 bytes and counts how many the profile recorded.
func sampling(args []string) gokit.Answer {
	rate := runtime.MemProfileRate // before anything changes it
	before := samples()
	n := gokit.Number(args[0], 1)
	for i := 0; i < n; i++ {
		sink = make([]byte, 4096)
	}
	runtime.GC()
	runtime.GC() // a profile is complete after two
	return gokit.Answer{"rate": rate, "bytes": n * 4096, "samples": samples() - before}
}

// samples is the number of recorded allocations of 4096 bytes.
func samples() int64 {
	records := make([]runtime.MemProfileRecord, 10000)
	n, ok := runtime.MemProfile(records, true)
	gokit.Must(ok, "too many records")
	count := int64(0)
	for _, r := range records[:n] {
		if r.AllocObjects > 0 && r.AllocBytes/r.AllocObjects == 4096 {
			count += r.AllocObjects
		}
	}
	return count
}

type key string

// labels spends processor time under a value in a context, and under a label of the profiler.
func labels(args []string) gokit.Answer {
	file := create(args[0])
	gokit.Check(pprof.StartCPUProfile(file))
	rounds := gokit.Number(args[1], 1)
	ctx := context.WithValue(context.Background(), key("contextkey"), "contextvalue")
	spend(ctx, rounds)
	pprof.Do(ctx, pprof.Labels("labelkey", "labelvalue"), func(ctx context.Context) { spend(ctx, rounds) })
	pprof.StopCPUProfile()
	file.Close()
	return gokit.Answer{"spent": total}
}

func spend(ctx context.Context, rounds int) {
	if ctx.Value(key("contextkey")) != "contextvalue" {
		gokit.Fail("the context lost its value")
	}
	for i := 0; i < rounds; i++ {
		m := map[uint64]uint64{}
		fill(m, 100000)
		total += uint64(len(m))
	}
}

// traced grows a map and contends for a lock while the execution trace runs.
func traced(args []string) gokit.Answer {
	file := create(args[0])
	gokit.Check(trace.Start(file))
	var lock sync.Mutex
	var done sync.WaitGroup
	m := map[uint64]uint64{}
	for g := 0; g < 4; g++ {
		done.Add(1)
		go func(g int) {
			defer done.Done()
			for i := 0; i < gokit.Number(args[1], 1); i++ {
				lock.Lock()
				m[uint64(g)<<32|uint64(i)] = 1
				lock.Unlock()
				if i%1024 == 0 {
					runtime.Gosched()
				}
			}
		}(g)
	}
	done.Wait()
	trace.Stop()
	file.Close()
	return gokit.Answer{"entries": len(m)}
}

// collect runs the collector a few times; GODEBUG=gctrace=1 makes it talk.
func collect(args []string) gokit.Answer {
	kept = map[uint64]uint64{}
	fill(kept, gokit.Number(args[0], 1))
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	return gokit.Answer{"entries": len(kept)}
}
