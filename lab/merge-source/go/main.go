// source.c on Go's own map, up to Go 1.23: a merge whose source is in the middle of a growth.
//
//	source STATE N SEED     STATE: settled, growing, same, random, insert
//
// Whether a map grows is read in its header, through its address: oldbuckets at 24, nevacuate at 32, B at 9.  Later Go
// has another map; the program refuses to run there.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

type header struct {
	count      int
	flags, b   uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
}

func headerOf(m *map[uint64]uint64) *header { return *(**header)(unsafe.Pointer(m)) }

func (h *header) growing() bool { return h.oldbuckets != nil }

func fail(format string, about ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", about...)
	os.Exit(1)
}

func mix(i uint64) uint64 {
	i += 0x9e3779b97f4a7c15
	i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9
	i = (i ^ (i >> 27)) * 0x94d049bb133111eb
	return i ^ (i >> 31)
}

func cpu() int64 {
	var t syscall.Timespec
	const processClock = 2 // CLOCK_PROCESS_CPUTIME_ID
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processClock, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		fail("clock_gettime: %s", err)
	}
	return t.Nano()
}

// Fill until the growth after n entries begins; if settled, stop one entry before.
func fill(n, base uint64, settled bool) map[uint64]uint64 {
	m := map[uint64]uint64{}
	h := headerOf(&m)
	i := uint64(0)
	put := func() { m[mix(base+i)] = i; i++ }
	for i < n || h.growing() {
		put()
	}
	for limit := 13 * (uint64(1) << h.b / 2); i < limit && !h.growing(); { // the next insert doubles
		put()
	}
	if h.growing() {
		fail("a growth began early")
	}
	if !settled {
		put()
		if !h.growing() {
			fail("no growth began at %d entries", i)
		}
	}
	return m
}

func main() {
	version := runtime.Version()
	if !strings.HasPrefix(version, "go1.2") || version >= "go1.24" {
		fail("%s has another map", version)
	}
	if len(os.Args) != 4 {
		fail("usage: source settled|growing|same|random|insert N SEED")
	}
	state := os.Args[1]
	n, err := strconv.ParseUint(os.Args[2], 10, 31)
	seed, err2 := strconv.ParseUint(os.Args[3], 10, 31)
	if err != nil || err2 != nil || n < 1000 {
		fail("N and SEED are numbers, N at least 1000")
	}
	base := seed << 32
	m := fill(n, base, state == "settled")
	h := headerOf(&m)
	parts := 0
	if h.growing() {
		parts = 1 << (h.b - 1)
	}
	writes, started := 0, cpu()
	entries := uint64(len(m))
	for (state == "same" || state == "random" || state == "insert") && h.growing() {
		i := uint64(0)
		if state == "random" {
			i = mix(uint64(writes)) % entries
		} else if state == "insert" {
			i = entries + uint64(writes)
		}
		m[mix(base+i)] = i
		writes++
		if i >= entries {
			delete(m, mix(base+i))
			writes++
		}
	}
	finish := cpu() - started
	progress := func() float64 {
		if !h.growing() {
			return -1
		}
		return float64(h.nevacuate) / float64(parts)
	}
	before := progress()
	runtime.GC()
	out := make(map[uint64]uint64, len(m))
	start, merged := cpu(), 0
	for k, v := range m {
		out[k] = v
		merged++
	}
	ns := cpu() - start
	after := progress()
	if merged != len(m) || len(out) != len(m) {
		fail("%s: %d of %d entries came", state, merged, len(m))
	}
	for i := uint64(0); i < entries; i++ {
		if got, ok := out[mix(base+i)]; !ok || got != i {
			fail("an entry was lost, or has another value")
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"version": version, "entries": merged, "ns": ns, "per_entry": float64(ns) / float64(merged), "parts": parts,
		"writes": writes, "finish_ns": finish, "before": before, "after": after,
	})
}
