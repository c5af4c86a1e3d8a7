package gokit

import (
	"runtime"
	"syscall"
	"unsafe"
)

// Processor time: what others on the machine take is in neither.
const (
	processClock = 2 // CLOCK_PROCESS_CPUTIME_ID
	threadClock  = 3 // CLOCK_THREAD_CPUTIME_ID
)

func clockNs(id uintptr) int64 {
	var t syscall.Timespec
	_, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&t)), 0)
	Must(err == 0, "no such clock")
	return t.Nano()
}

// ProcessNs is the processor time of all threads of this process in nanoseconds: the collector's are in it.
//
//go:noinline
func ProcessNs() int64 { return clockNs(processClock) }

// ThreadNs is the processor time of this thread in nanoseconds.  A goroutine that uses it is locked to its thread.
//
//go:noinline
func ThreadNs() int64 { return clockNs(threadClock) }

// Heap is the bytes of the heap that are in use after everything that can go has gone.  It costs two collections.
//
//go:noinline
func Heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one has left to be swept is free after the second
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// Mix is splitmix64's finisher: a bijection, so different numbers stay different.
func Mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Key is the i-th key of a seed, as in subject.h.
func Key(seed, i uint64) uint64 { return Mix(seed*0x1000003 + i) }
