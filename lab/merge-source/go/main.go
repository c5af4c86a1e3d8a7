// source.c on Go's own map, up to Go 1.23: a merge whose source is in the middle of a growth.
//
//	source STATE N SEED     STATE: settled, growing, same, random, insert
//
// Whether a map grows is read in its header.  Later Go has another map; the program refuses to run there.
package main

import (
	"os"
	"runtime"

	"gomap.invalid/lab/gokit"
)

// Fill until the growth after n entries begins; if settled, stop one entry before.
func fill(n, base uint64, settled bool) map[uint64]uint64 {
	m := map[uint64]uint64{}
	h := gokit.ClassicOf(m)
	i := uint64(0)
	put := func() { m[gokit.Mix(base+i)] = i; i++ }
	for i < n || h.Growing() {
		put()
	}
	for limit := 13 * (uint64(1) << h.B / 2); i < limit && !h.Growing(); { // the next insert doubles
		put()
	}
	if h.Growing() {
		gokit.Fail("a growth began early")
	}
	if !settled {
		put()
		if !h.Growing() {
			gokit.Fail("no growth began at %d entries", i)
		}
	}
	return m
}

func main() {
	gokit.Must(gokit.IsClassic(), runtime.Version()+" has another map")
	if len(os.Args) != 4 {
		gokit.Fail("usage: source settled|growing|same|random|insert N SEED")
	}
	state := os.Args[1]
	n, base := uint64(gokit.Number(os.Args[2], 1000)), uint64(gokit.Number(os.Args[3], 0))<<32
	m := fill(n, base, state == "settled")
	h := gokit.ClassicOf(m)
	parts := 0
	if h.Growing() {
		parts = 1 << (h.B - 1)
	}
	writes, started := 0, gokit.ProcessNs()
	entries := uint64(len(m))
	for (state == "same" || state == "random" || state == "insert") && h.Growing() {
		i := uint64(0)
		if state == "random" {
			i = gokit.Mix(uint64(writes)) % entries
		} else if state == "insert" {
			i = entries + uint64(writes)
		}
		m[gokit.Mix(base+i)] = i
		writes++
		if i >= entries {
			delete(m, gokit.Mix(base+i))
			writes++
		}
	}
	finish := gokit.ProcessNs() - started
	progress := func() float64 {
		if !h.Growing() {
			return -1
		}
		return float64(h.Nevacuate) / float64(parts)
	}
	before := progress()
	runtime.GC()
	out := make(map[uint64]uint64, len(m))
	start, merged := gokit.ProcessNs(), 0
	for k, v := range m {
		out[k] = v
		merged++
	}
	ns := gokit.ProcessNs() - start
	after := progress()
	if merged != len(m) || len(out) != len(m) {
		gokit.Fail("%s: %d of %d entries came", state, merged, len(m))
	}
	for i := uint64(0); i < entries; i++ {
		if got, ok := out[gokit.Mix(base+i)]; !ok || got != i {
			gokit.Fail("an entry was lost, or has another value")
		}
	}
	gokit.Answer{
		"entries": merged, "ns": ns, "per_entry": float64(ns) / float64(merged), "parts": parts,
		"writes": writes, "finish_ns": finish, "before": before, "after": after,
	}.Print()
}
