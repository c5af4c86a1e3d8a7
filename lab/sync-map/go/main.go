// syncmap range N                          a Range whose callback stores, deletes and replaces
// syncmap locks N                          are there locks in it, and does the mutex profile see them?
// syncmap speed KIND GOROUTINES NEW N SEED    KIND: sync, mutex; NEW: percent of the stores that bring a new key
//
// speed: every goroutine stores N / GOROUTINES times; wall time.  The others of the stores go to 1000 keys that are there.
package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"gomap.invalid/lab/gokit"
)

const known = 1000

// Range over 0..n-1 while its callback, for every key k, stores n+k, deletes k if it is odd, and replaces its value
// otherwise.  The documentation promises: no key twice; any method may be called.
func ranged(n int) {
	var m sync.Map
	for k := 0; k < n; k++ {
		m.Store(k, 0)
	}
	visits, twice, added := map[int]int{}, 0, 0
	m.Range(func(key, _ any) bool {
		k := key.(int)
		if visits[k]++; visits[k] > 1 {
			twice++
		}
		if k >= n {
			added++
			return true
		}
		m.Store(n+k, 0)
		if k%2 == 1 {
			m.Delete(k)
		} else {
			m.Store(k, 1)
		}
		return true
	})
	missing, wrong := 0, 0
	for k := 0; k < n; k++ {
		if visits[k] == 0 {
			missing++
		}
		value, there := m.Load(k)
		_, new := m.Load(n + k)
		if !new || there != (k%2 == 0) || (there && value != 1) {
			wrong++
		}
	}
	gokit.Answer{"keys": n, "missing": missing, "twice": twice, "added_seen": added, "wrong_after": wrong}.Print()
}

// mutexesIn collects the paths to all mutexes that a type holds, however deep; what an atomic.Pointer points to is among its
// fields as a type.
func mutexesIn(t reflect.Type, path string, seen map[reflect.Type]bool, found *[]string) {
	if t.Name() == "Mutex" || t.Name() == "RWMutex" { // of sync or, since 1.24, of internal/sync
		*found = append(*found, path)
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			mutexesIn(t.Field(i).Type, path+"."+t.Field(i).Name, seen, found)
		}
	case reflect.Pointer, reflect.Array, reflect.Slice:
		mutexesIn(t.Elem(), path, seen, found)
	}
}

// Goroutines that store new keys, profiled: waits for mutexes whose stack goes through sync.Map.
func locks(n int) {
	fields := []string{}
	mutexesIn(reflect.TypeOf(sync.Map{}), "sync.Map", map[reflect.Type]bool{}, &fields)
	runtime.SetMutexProfileFraction(1)
	for tries := 0; ; tries++ {
		var m sync.Map
		var all sync.WaitGroup
		for g := 0; g < 16; g++ {
			all.Add(1)
			go func(g int) {
				defer all.Done()
				for i := 0; i < n/16; i++ {
					m.Store(g*n+i, i)
				}
			}(g)
		}
		all.Wait()
		text := &strings.Builder{}
		if err := pprof.Lookup("mutex").WriteTo(text, 1); err != nil {
			gokit.Fail("%s", err)
		}
		contentions := 0
		for _, record := range strings.Split(text.String(), "\n\n") {
			if strings.Contains(record, "sync.(*Map)") || strings.Contains(record, "sync.(*HashTrieMap") {
				contentions++
			}
		}
		if contentions > 0 || tries == 20 { // few processors: goroutines may happen not to meet
			gokit.Answer{"mutexes": fields, "profiled_stacks": contentions, "runs": tries + 1}.Print()
			return
		}
	}
}

func speed(kind string, routines, percent, n int, seed uint64) {
	var m sync.Map
	var lock sync.Mutex
	plain := map[uint64]uint64{}
	store := func(k, v uint64) { m.Store(k, v) }
	size := func() (n int) { m.Range(func(_, _ any) bool { n++; return true }); return n }
	if kind == "mutex" {
		store = func(k, v uint64) { lock.Lock(); plain[k] = v; lock.Unlock() }
		size = func() int { return len(plain) }
	} else if kind != "sync" {
		gokit.Fail("no kind '%s'", kind)
	}
	for k := uint64(0); k < known; k++ {
		store(k, k)
	}
	for i := 0; i < 3*known; i++ { // let sync.Map promote them
		m.Load(uint64(i % known))
	}
	each, added := n/routines, make([]int, routines)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for g := 0; g < routines; g++ {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			<-begin
			for i := 0; i < each; i++ {
				draw := gokit.Mix(seed<<40 + uint64(g*each+i))
				key := draw >> 8 % known
				if int(draw&0xff)*100 < percent*256 {
					key = known + uint64(g*each+i)
					added[g]++
				}
				store(key, draw)
			}
		}(g)
	}
	runtime.GC()
	start := time.Now()
	close(begin)
	all.Wait()
	ns := time.Since(start).Nanoseconds()
	want := known
	for _, n := range added {
		want += n
	}
	if got := size(); got != want {
		gokit.Fail("%s: %d entries, not %d", kind, got, want)
	}
	gokit.Answer{"ns": ns, "per_store": float64(ns) / float64(routines*each), "entries": want}.Print()
}

func main() {
	arg := os.Args[1:]
	number := func(i int) int { return gokit.Number(arg[i], 0) }
	switch {
	case len(arg) == 2 && arg[0] == "range":
		ranged(number(1))
	case len(arg) == 2 && arg[0] == "locks":
		locks(number(1))
	case len(arg) == 6 && arg[0] == "speed" && number(2) > 0:
		speed(arg[1], number(2), number(3), number(4), uint64(number(5)))
	default:
		gokit.Fail("usage: syncmap range N | locks N | speed sync|mutex GOROUTINES NEW N SEED")
	}
}
