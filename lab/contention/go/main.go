// contention.c in Go: goroutines put into, and look up in, one map.
//
//	contention SCHEME GOROUTINES READS KEYS OPS SEED
//
// SCHEME: one, rw, 16, 64 as in contention.c, on Go's map with sync.Mutex and sync.RWMutex; and of sync.Map:
//
//	sync       one of it
//	sync16     16, chosen by a hash of the key
//	address    16, chosen by the address of the function's parameter: the articles' version
//
// Time is wall time.  Waiting is what the runtime counts (/sync/mutex/wait/total:seconds).
package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

type store interface {
	put(key, value uint64)
	get(key uint64) (uint64, bool)
	size() int
}

type locked struct {
	sync.Mutex
	m map[uint64]uint64
	_ [128]byte // nobody else's line
}

func (l *locked) put(key, value uint64) {
	l.Lock()
	l.m[key] = value
	l.Unlock()
}
func (l *locked) get(key uint64) (uint64, bool) {
	l.Lock()
	v, ok := l.m[key]
	l.Unlock()
	return v, ok
}
func (l *locked) size() int { return len(l.m) }

type readLocked struct {
	sync.RWMutex
	m map[uint64]uint64
}

func (l *readLocked) put(key, value uint64) {
	l.Lock()
	l.m[key] = value
	l.Unlock()
}
func (l *readLocked) get(key uint64) (uint64, bool) {
	l.RLock()
	v, ok := l.m[key]
	l.RUnlock()
	return v, ok
}
func (l *readLocked) size() int { return len(l.m) }

type syncMap struct {
	sync.Map
	_ [128]byte
}

func (s *syncMap) put(key, value uint64) { s.Store(key, value) }
func (s *syncMap) get(key uint64) (uint64, bool) {
	v, ok := s.Load(key)
	if !ok {
		return 0, false
	}
	return v.(uint64), true
}
func (s *syncMap) size() (n int) {
	s.Range(func(any, any) bool { n++; return true })
	return n
}

// shards of any store; by address: the articles' function.
type shards struct {
	all       []store
	byAddress bool
}

//go:noinline
func addressOf(key uint64) uintptr { return uintptr(unsafe.Pointer(&key)) }

func (s *shards) of(key uint64) store {
	if s.byAddress {
		return s.all[addressOf(key)%uintptr(len(s.all))]
	}
	return s.all[gokit.Mix(key)>>32%uint64(len(s.all))]
}
func (s *shards) put(key, value uint64)         { s.of(key).put(key, value) }
func (s *shards) get(key uint64) (uint64, bool) { return s.of(key).get(key) }
func (s *shards) size() (n int) {
	for _, one := range s.all {
		n += one.size()
	}
	return n
}

func newLocked() store { return &locked{m: map[uint64]uint64{}} }
func newSync() store   { return &syncMap{} }

func newShards(n int, byAddress bool, one func() store) *shards {
	s := &shards{byAddress: byAddress}
	for i := 0; i < n; i++ {
		s.all = append(s.all, one())
	}
	return s
}

func newStore(scheme string) store {
	switch scheme {
	case "one":
		return newLocked()
	case "rw":
		return &readLocked{m: map[uint64]uint64{}}
	case "16":
		return newShards(16, false, newLocked)
	case "64":
		return newShards(64, false, newLocked)
	case "sync":
		return newSync()
	case "sync16":
		return newShards(16, false, newSync)
	case "address":
		return newShards(16, true, newSync)
	}
	gokit.Fail("no scheme '%s'", scheme)
	return nil
}

func valueOf(key uint64) uint64 { return key*3 + 1 }

type worker struct{ seed, ops, keys, reads, found, absent uint64 }

func (w *worker) run(s store) {
	for i := uint64(0); i < w.ops; i++ {
		draw := gokit.Mix(w.seed + i)
		key := (draw >> 8) % w.keys
		if (draw&0xff)*100 >= w.reads*256 {
			s.put(key, valueOf(key))
			continue
		}
		value, ok := s.get(key)
		if !ok {
			w.absent++
		} else if value != valueOf(key) {
			gokit.Fail("a key has the value of another one")
		} else {
			w.found++
		}
	}
}

func waited() float64 {
	sample := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64 {
		gokit.Fail("the runtime does not count how long mutexes are waited for")
	}
	return sample[0].Value.Float64()
}

// How many of the 16 maps the articles' function uses.
func used(s store) (n int) {
	if all, ok := s.(*shards); ok {
		for _, one := range all.all {
			if one.size() > 0 {
				n++
			}
		}
		return n
	}
	return 1
}

func main() {
	if len(os.Args) != 7 {
		gokit.Fail("usage: contention SCHEME GOROUTINES READS KEYS OPS SEED")
	}
	number := func(i, least int) uint64 { return uint64(gokit.Number(os.Args[i], least)) }
	routines, reads, keys, ops, seed := int(number(2, 1)), number(3, 0), number(4, 1), number(5, 1), number(6, 0)
	gokit.Must(reads <= 100, "READS is a share in percent")
	s := newStore(os.Args[1])
	for key := uint64(0); reads > 0 && key < keys; key++ {
		s.put(key, valueOf(key))
	}
	for i := uint64(0); reads > 0 && i < 2*keys; i++ { // sync.Map promotes what was stored
		s.get(i % keys)
	}
	workers := make([]*worker, routines)
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for i := range workers {
		w := &worker{seed: gokit.Mix(seed*1000 + uint64(i)), ops: ops, keys: keys, reads: reads}
		workers[i] = w
		ready.Add(1)
		done.Add(1)
		go func() {
			ready.Done()
			<-begin
			w.run(s)
			done.Done()
		}()
	}
	ready.Wait()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	waitedBefore := waited()
	start := time.Now()
	close(begin)
	done.Wait()
	ns := time.Since(start).Nanoseconds()
	waitNs := (waited() - waitedBefore) * 1e9
	runtime.ReadMemStats(&after)

	total := worker{}
	seen := map[uint64]bool{}
	for _, w := range workers {
		total.found += w.found
		total.absent += w.absent
		for i := uint64(0); reads == 0 && i < w.ops; i++ {
			seen[(gokit.Mix(w.seed+i)>>8)%keys] = true
		}
	}
	want := int(keys)
	if reads == 0 {
		want = len(seen)
	}
	if os.Args[1] != "address" && (s.size() != want || total.absent > 0) {
		gokit.Fail("%s: %d entries, not %d; %d lookups missed", os.Args[1], s.size(), want, total.absent)
	}
	operations := float64(routines) * float64(ops)
	gokit.Answer{
		"ns": ns, "per_op": float64(ns) / operations, "ops": operations, "wait_ns": waitNs,
		"found": total.found, "absent": total.absent, "entries": s.size(), "shards_used": used(s),
		"bytes_per_op": float64(after.TotalAlloc-before.TotalAlloc) / operations,
	}.Print()
}
