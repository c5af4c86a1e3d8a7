// objects: building a value out of parts, and using values again through sync.Pool.
//
//	objects build KIND                     flat, pointer, nested: ns, allocations and bytes, by testing.Benchmark
//	objects reuse HOW SCENARIO THREADS N   new or pool; churn, fill, hand (see objects.c), or
//	                                       collect: 1000 values are put back, the collector runs twice, 1000 are taken
//
// Prints one JSON document; exit code 1 when a result is wrong.
package main

import (
	"flag"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

type flat struct {
	ID   int64
	Name string
}
type pointing struct {
	ID   int64
	Name *string
}
type nested struct {
	ID         int64
	Attributes map[string]int64
}

// Where values end: what is stored here has escaped.
var (
	total        int64
	keepPointing pointing
	keepNested   nested
)

// Processor time of the last run of build: what others on the machine take is not in it.
var spent int64

func build(kind string, b *testing.B) {
	b.ReportAllocs()
	start := gokit.ProcessNs()
	defer func() { spent = gokit.ProcessNs() - start }()
	switch kind {
	case "flat":
		for i := 0; i < b.N; i++ {
			u := flat{int64(i), "some name"}
			total += u.ID + int64(len(u.Name))
		}
	case "pointer":
		for i := 0; i < b.N; i++ {
			name := "some name"
			keepPointing = pointing{int64(i), &name}
		}
	case "nested":
		for i := 0; i < b.N; i++ {
			keepNested = nested{int64(i), map[string]int64{"age": int64(i), "height": int64(i)}}
		}
	default:
		gokit.Fail("objects: no kind '%s': flat, pointer, nested", kind)
	}
}

const words = 32

type value [words]uint64 // word 0: the key it is for, 0 in the pool

// A source of values, counting how many had been used before.
type source struct {
	pooled     bool
	pool       sync.Pool
	gets, made atomic.Int64
}

func newSource(pooled bool) *source {
	s := &source{pooled: pooled}
	s.pool.New = func() any { s.made.Add(1); return new(value) }
	return s
}

func (s *source) get() *value {
	s.gets.Add(1)
	if !s.pooled {
		s.made.Add(1)
		return new(value)
	}
	v := s.pool.Get().(*value)
	if v[0] != 0 || v[words-1] != 0 {
		gokit.Fail("objects: a value was not reset")
	}
	return v
}

func (s *source) put(v *value) {
	if s.pooled {
		*v = value{}
		s.pool.Put(v)
	}
}

const live = 1000

func churn(s *source, n uint64, takesOut bool) {
	m := map[uint64]*value{}
	for key := uint64(1); key <= n; key++ {
		if takesOut && key > live {
			old := m[key-live]
			if old == nil || old[0] != key-live {
				gokit.Fail("objects: a value is lost")
			}
			delete(m, key-live)
			s.put(old)
		}
		v := s.get()
		v[0], v[words-1] = key, key
		m[key] = v
	}
}

func hand(s *source, n uint64, role int, c chan *value) {
	for key := uint64(1); key <= n; key++ {
		if role == 0 {
			v := s.get()
			v[0] = key
			c <- v
		} else {
			v := <-c
			if v[0] != key {
				gokit.Fail("objects: a value came out of turn")
			}
			s.put(v)
		}
	}
}

func collect(s *source, n uint64) {
	for done := uint64(0); done < n; done += live {
		var all [live]*value
		for i := range all {
			all[i] = s.get()
		}
		for _, v := range all {
			s.put(v)
		}
		runtime.GC() // a pool gives up what two collections found unused
		runtime.GC()
	}
}

func reuse(how, scenario string, threads int, n uint64) map[string]any {
	if how != "new" && how != "pool" {
		gokit.Fail("objects: '%s': new, pool", how)
	}
	s := newSource(how == "pool")
	runtime.GOMAXPROCS(threads)
	var wait sync.WaitGroup
	channels := make([]chan *value, threads)
	for i := range channels {
		channels[i] = make(chan *value, 1)
	}
	for t := 0; t < threads; t++ {
		wait.Add(1)
		go func(t int) {
			defer wait.Done()
			switch scenario {
			case "churn", "fill":
				churn(s, n, scenario == "churn")
			case "hand":
				hand(s, n, t%2, channels[t/2])
			case "collect":
				collect(s, n)
			default:
				gokit.Fail("objects: no scenario '%s': churn, fill, hand, collect", scenario)
			}
		}(t)
	}
	wait.Wait()
	gets, made := s.gets.Load(), s.made.Load()
	return map[string]any{"gets": gets, "reused": 1 - float64(made)/float64(gets), "passed": unsafe.Sizeof(new(value))}
}

func main() {
	args := os.Args[1:]
	var result any
	switch {
	case len(args) == 2 && args[0] == "build":
		testing.Init()
		flag.Set("test.benchtime", "40ms")
		r := testing.Benchmark(func(b *testing.B) { build(args[1], b) })
		result = map[string]any{"ns": float64(spent) / float64(r.N), "allocs": r.AllocsPerOp(),
			"bytes": r.AllocedBytesPerOp()}
	case len(args) == 5 && args[0] == "reuse":
		result = reuse(args[1], args[2], gokit.Number(args[3], 1), uint64(gokit.Number(args[4], 1)))
	default:
		gokit.Fail("usage: objects build KIND | reuse HOW SCENARIO THREADS N")
	}
	gokit.Answer{"result": result}.Print()
}
