// collector puts statements about Go's collector and its maps to the test, one each call:
//
//	collector barrier N            is the write barrier on while a map grows, or while the collector marks?
//	collector overflow N           how a bucket's overflow word is typed, and what keeps overflow buckets alive
//	collector generations MIB      processor time of collections of a heap that has been there for long
//	collector loop N               what a goroutine with key and value of a loop keeps of a dropped map
//	collector keeps N              what one live bucket keeps: of its array, of its span
//	collector assign N             collections while a map is filled, and while it is overwritten
//	collector profile N            whose stack a heap profile shows for the buckets of a map
//	collector sampling N RATE      how many of N allocations a profile of that MemProfileRate holds (0: the default)
//	collector memstats N           what MemStats says between collections, and of inserts without growth
//	collector release N            objects and bytes left of dropped maps (GODEBUG=gcstoptheworld=0,1,2 from outside)
//	collector pauses MIB_S MS      pauses of collections at that rate of allocation
//	collector forced PERIOD_MS MS STATE    collections of an idle process whose period of forced ones is PERIOD_MS
//	                               (0: as it is); STATE: tidy, garbage (unreleased memory lies about)
//
// Each prints one JSON document with the version of Go it runs on. Variables of the runtime are found through the symbol
// table of this executable; the header of a map (Go 1.23: hmap; later: Map) is read through the map variable.
package main

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

type result map[string]any

// hmap is the header of a map up to Go 1.23.
type hmap struct {
	count               int
	flags, B            uint8
	noverflow           uint16
	hash0               uint32
	buckets, oldbuckets unsafe.Pointer
	nevacuate           uintptr
	extra               *struct{ overflow, oldoverflow *[]unsafe.Pointer }
}

// swissMap is the header of a map since Go 1.24, as far as it is used here.
type swissMap struct {
	used, seed uint64
	dir        unsafe.Pointer // [dirLen]*swissTable
	dirLen     int
}
type swissTable struct {
	used, capacity, growthLeft uint16
	localDepth                 uint8
	index                      int
	groups                     unsafe.Pointer
	lengthMask                 uint64
}

var classic = strings.HasPrefix(runtime.Version(), "go1.23")

func header[K comparable, V any](m *map[K]V) *hmap { return *(**hmap)(unsafe.Pointer(m)) }

func must(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

// symbol is the address of a variable of the runtime.
func symbol(name string) unsafe.Pointer {
	file, err := elf.Open("/proc/self/exe")
	must(err == nil, "this executable cannot be read")
	defer file.Close()
	must(file.Type == elf.ET_EXEC, "this executable can be loaded anywhere: its addresses are not known")
	symbols, err := file.Symbols()
	must(err == nil, "this executable has no symbols")
	for _, s := range symbols {
		if s.Name == name {
			address := uintptr(s.Value)
			return *(*unsafe.Pointer)(unsafe.Pointer(&address))
		}
	}
	must(false, "the runtime has no "+name)
	return nil
}

func stats() (s runtime.MemStats) {
	runtime.ReadMemStats(&s)
	return
}

// collected is MemStats after everything that can go has gone.
func collected() runtime.MemStats {
	for range 3 {
		runtime.GC()
	}
	return stats()
}

func gain(now, then uint64) int64 { return int64(now) - int64(then) }

// node is what live heaps are made of: half pointers.
type node struct {
	next *node
	n    int
	_    [48]byte
}

func chain(bytes int) (head *node) {
	for i := 0; i < bytes/int(unsafe.Sizeof(node{})); i++ {
		head = &node{next: head, n: i}
	}
	return
}

var sink any

// ---- write barrier

func barrier(n int) result {
	enabled := (*bool)(symbol("runtime.writeBarrier"))
	debug.SetGCPercent(-1)
	runtime.GC()
	m := map[int]*int{}
	value := new(int)
	inserts, growing, onWhileGrowing, onAtAll := 0, 0, 0, 0
	for ; inserts < n; inserts++ {
		m[inserts] = value
		if *enabled {
			onAtAll++
		}
		if classic && header(&m).oldbuckets != nil {
			growing++
			if *enabled {
				onWhileGrowing++
			}
		}
	}
	for i := 0; classic && header(&m).oldbuckets != nil; i++ { // an overwrite moves two old buckets
		m[i%n] = value
	}

	heap := chain(320 * n)
	done := make(chan bool)
	writes, on := 0, 0
	go func() {
		for range 5 {
			runtime.GC()
		}
		close(done)
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
			m[writes%n] = value // overwrites: no growth
			must(!classic || header(&m).oldbuckets == nil, "the map grows though nothing is inserted")
			writes++
			if *enabled {
				on++
			}
			if writes%1000 == 0 {
				runtime.Gosched()
			}
		}
	}
	runtime.KeepAlive(heap)
	return result{"inserts": inserts, "growing": growing, "on_while_growing": onWhileGrowing, "on_without_collector": onAtAll,
		"writes_during_collections": writes, "on_while_marking": on}
}

// ---- overflow buckets

// pointerBytes is how far into a bucket the collector looks for pointers, and the size of a bucket.
func pointerBytes(mapOf any) (ptr, size uintptr) {
	const bucketOf = 64 // abi.MapType of 1.23: Type, Key, Elem, Bucket
	maptype := (*[2]unsafe.Pointer)(unsafe.Pointer(&mapOf))[0]
	bucket := *(*unsafe.Pointer)(unsafe.Add(maptype, bucketOf))
	return *(*uintptr)(unsafe.Add(bucket, 8)), *(*uintptr)(bucket)
}

func overflow(n int) result {
	if !classic {
		return result{}
	}
	withPointers, without := map[int]*int{}, map[int]int{}
	value := new(int)
	for i := range n {
		withPointers[i], without[i] = value, i
	}
	collected()
	lost := 0
	for i := range n {
		if withPointers[i] != value || without[i] != i {
			lost++
		}
	}
	p, size := pointerBytes(withPointers)
	q, _ := pointerBytes(without)
	listed := 0
	if extra := header(&without).extra; extra != nil && extra.overflow != nil {
		listed = len(*extra.overflow)
	}
	return result{"bucket_bytes": size, "scanned_with_pointers": p, "scanned_without": q, "overflow_listed": listed,
		"overflow_with_pointers": header(&withPointers).noverflow, "overflow_without": header(&without).noverflow,
		"lost_after_collections": lost}
}

// ---- generations

func markSeconds() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(sample)
	sum := 0.0
	for _, s := range sample {
		must(s.Value.Kind() == metrics.KindFloat64, "no metric "+s.Name)
		sum += s.Value.Float64()
	}
	return sum
}

func generations(mib int) result {
	heap := chain(mib << 20)
	for range 5 { // by now it is old, by any measure
		runtime.GC()
	}
	const cycles = 5
	before := markSeconds()
	for range cycles {
		runtime.GC()
	}
	took := markSeconds() - before
	runtime.KeepAlive(heap)
	return result{"mib": mib, "mark_ms_per_cycle": 1000 * took / cycles}
}

// ---- what keeps a map

func filled(n int) map[int]*int {
	m := make(map[int]*int)
	for i := range n {
		m[i] = new(int)
		*m[i] = i
	}
	return m
}

//go:noinline
func goroutineWithLoopVariables(n int, stop chan bool, got chan int) {
	for k, v := range filled(n) {
		go func() {
			<-stop
			got <- k + *v
		}()
		return
	}
}

//go:noinline
func iteratorOf(n int) *reflect.MapIter {
	it := reflect.ValueOf(filled(n)).MapRange()
	it.Next()
	return it
}

//go:noinline
func justAMap(n int) { sink = filled(n) }

func loop(n int) result {
	base := collected()
	justAMap(n)
	whole := collected()
	sink = nil
	dropped := collected()
	stop, got := make(chan bool), make(chan int)
	goroutineWithLoopVariables(n, stop, got)
	time.Sleep(time.Millisecond)
	goroutine := collected()
	stop <- true
	must(<-got%2 == 0, "key and value do not belong together")
	it := iteratorOf(n)
	iterator := collected()
	runtime.KeepAlive(it)
	return result{"map_bytes": gain(whole.HeapAlloc, base.HeapAlloc), "left_dropped": gain(dropped.HeapAlloc, base.HeapAlloc),
		"left_goroutine": gain(goroutine.HeapAlloc, base.HeapAlloc), "left_iterator": gain(iterator.HeapAlloc, base.HeapAlloc)}
}

//go:noinline
func oneBucketOf(n int) unsafe.Pointer {
	m := make(map[int]int, n)
	for i := range n {
		m[i] = i
	}
	if classic {
		return unsafe.Add(header(&m).buckets, 144*(n/100)) // a bucket within the array
	}
	s := *(**swissMap)(unsafe.Pointer(&m))
	must(s.dirLen > 0, "the map is too small")
	return unsafe.Add((*(**swissTable)(s.dir)).groups, 136)
}

//go:noinline
func smallMaps(n int) []map[int]int {
	all := make([]map[int]int, n)
	for i := range all {
		all[i] = map[int]int{}
		for k := range 8 {
			all[i][k] = k // its one bucket is allocated by the first
		}
	}
	return all
}

func keeps(n int) result {
	base := collected()
	m := make(map[int]int, n)
	for i := range n {
		m[i] = i
	}
	whole := collected()
	runtime.KeepAlive(m)
	m = nil
	gone := collected()
	p := oneBucketOf(n)
	held := collected()
	runtime.KeepAlive(p)
	p = nil

	const perSpan = 56 // 8192 / 144; of 1.24 and later: 8192 / 144 too (136 rounded up)
	start := collected()
	all := smallMaps(n)
	full := collected()
	for i := range all {
		if i%perSpan != 0 {
			all[i] = nil
		}
	}
	debug.FreeOSMemory()
	sparse := collected()
	again := smallMaps(n - n/perSpan - 1)
	refilled := collected()
	runtime.KeepAlive(all)
	runtime.KeepAlive(again)
	return result{"array_bytes": gain(whole.HeapAlloc, base.HeapAlloc), "array_dropped": gain(gone.HeapAlloc, base.HeapAlloc),
		"array_held": gain(held.HeapAlloc, base.HeapAlloc), "kept_one_in": perSpan,
		"span_alloc_full": gain(full.HeapAlloc, start.HeapAlloc), "span_alloc_sparse": gain(sparse.HeapAlloc, start.HeapAlloc),
		"span_inuse_full": gain(full.HeapInuse, start.HeapInuse), "span_inuse_sparse": gain(sparse.HeapInuse, start.HeapInuse),
		"span_inuse_refilled": gain(refilled.HeapInuse, start.HeapInuse)}
}

// ---- allocation and its statistics

func assign(n int) result {
	collected()
	m := map[int]int{}
	before := stats()
	for i := range n {
		m[i] = i
	}
	filled := stats()
	for i := range n {
		m[i] = i + 1
	}
	after := stats()
	return result{"inserts": n, "collections_inserting": filled.NumGC - before.NumGC,
		"collections_overwriting": after.NumGC - filled.NumGC, "mallocs": filled.Mallocs - before.Mallocs}
}

//go:noinline
func holder() *struct{ m map[int]int } { return &struct{ m map[int]int }{make(map[int]int)} }

//go:noinline
func filler(m map[int]int, n int) {
	for i := range n {
		m[i] = i
	}
}

func profiled() []runtime.MemProfileRecord {
	collected() // a profile shows what was at the collection before
	n, _ := runtime.MemProfile(nil, true)
	records := make([]runtime.MemProfileRecord, n+100)
	n, ok := runtime.MemProfile(records, true)
	must(ok, "the profile grew while it was read")
	return records[:n]
}

func on(record *runtime.MemProfileRecord, function string) bool {
	frames := runtime.CallersFrames(record.Stack())
	for {
		frame, more := frames.Next()
		if frame.Function == function {
			return true
		}
		if !more {
			return false
		}
	}
}

func profile(n int) result {
	runtime.MemProfileRate = 1
	base := collected()
	h := holder()
	filler(h.m, n)
	whole := collected()
	var holders, fillers int64
	for _, r := range profiled() {
		if on(&r, "main.holder") {
			holders += r.InUseBytes()
		} else if on(&r, "main.filler") {
			fillers += r.InUseBytes()
		}
	}
	runtime.KeepAlive(h)
	return result{"map_bytes": gain(whole.HeapAlloc, base.HeapAlloc), "holder_bytes": holders, "filler_bytes": fillers}
}

//go:noinline
func leaf(all []*node) {
	for i := range all {
		all[i] = &node{n: i}
	}
}

func sampling(n, rate int) result {
	if rate > 0 {
		runtime.MemProfileRate = rate
	}
	all := make([]*node, n)
	leaf(all)
	var recorded int64
	for _, r := range profiled() {
		if on(&r, "main.leaf") {
			recorded += r.AllocObjects
		}
	}
	runtime.KeepAlive(all)
	return result{"allocations": n, "rate": runtime.MemProfileRate, "recorded": recorded}
}

// grew watches a map for growth: of the array (1.23), of tables and directory (later).
func grew[K comparable, V any](m *map[K]V) func() bool {
	if classic {
		b := header(m).B
		return func() bool { return header(m).B != b || header(m).oldbuckets != nil }
	}
	slots := func() (sum int) {
		s := *(**swissMap)(unsafe.Pointer(m))
		for i := range s.dirLen {
			t := *(**swissTable)(unsafe.Add(s.dir, 8*i))
			if t.index == i {
				sum += int(t.capacity)
			}
		}
		return
	}
	before := slots()
	return func() bool { return slots() != before }
}

func memstats(n int) result {
	debug.SetGCPercent(-1)
	runtime.GC()
	before := stats()
	block := make([]byte, 64<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	after := stats()
	runtime.KeepAlive(block)

	plain, large := make(map[int]int, n), make(map[int][200]byte, 2*n)
	watchPlain, watchLarge := grew(&plain), grew(&large)
	plainGrew, largeGrew, value := false, false, [200]byte{}
	start := stats()
	for i := range n {
		plain[i] = i
	}
	plainGrew = watchPlain()
	middle := stats()
	for i := range n {
		large[i] = value
	}
	largeGrew = watchLarge()
	end := stats()
	return result{"collections_between": after.NumGC - before.NumGC, "allocated": len(block),
		"heap_alloc_gained": gain(after.HeapAlloc, before.HeapAlloc), "inserts": n, "plain_grew": plainGrew,
		"plain_mallocs": middle.Mallocs - start.Mallocs, "large_grew": largeGrew, "large_mallocs": end.Mallocs - middle.Mallocs}
}

// ---- release by mode of the collector

//go:noinline
func dropped(n, maps int) (bytes int64, overflows int) {
	before := collected()
	plain, pointers := make([]map[int]int, maps), make([]map[int]*int, maps)
	for i := range maps {
		plain[i], pointers[i] = map[int]int{}, map[int]*int{}
		for k := range n {
			plain[i][k], pointers[i][k] = k, &[]int{k}[0]
		}
		if classic {
			overflows += int(header(&plain[i]).noverflow) + int(header(&pointers[i]).noverflow)
		}
	}
	bytes = gain(collected().HeapAlloc, before.HeapAlloc)
	runtime.KeepAlive(plain)
	runtime.KeepAlive(pointers)
	return
}

// runtimeDebug is a number of the runtime's settings, as GODEBUG has set them; its place is in the debug information.
func runtimeDebug(field string) int32 {
	file, err := elf.Open("/proc/self/exe")
	must(err == nil, "this executable cannot be read")
	defer file.Close()
	info, err := file.DWARF()
	must(err == nil, "this executable has no debug information")
	entries := info.Reader()
	for {
		entry, err := entries.Next()
		must(err == nil && entry != nil, "the runtime has no setting "+field)
		if entry.Tag != dwarf.TagVariable || entry.Val(dwarf.AttrName) != "runtime.debug" {
			continue
		}
		kind, err := info.Type(entry.Val(dwarf.AttrType).(dwarf.Offset))
		must(err == nil, "runtime.debug has no type")
		for _, f := range kind.(*dwarf.StructType).Field {
			if f.Name == field {
				return *(*int32)(unsafe.Add(symbol("runtime.debug"), f.ByteOffset))
			}
		}
	}
}

func release(n int) result {
	const maps = 20
	base := collected()
	bytes, overflows := dropped(n, maps)
	after := collected()
	return result{"maps": 2 * maps, "entries": n, "bytes": bytes, "overflow_buckets": overflows,
		"left_bytes": gain(after.HeapAlloc, base.HeapAlloc), "left_objects": gain(after.HeapObjects, base.HeapObjects),
		"gcstoptheworld": runtimeDebug("gcstoptheworld")}
}

// ---- pauses

func pauses(mibPerSecond, ms int) result {
	const size, window = 1024, 20000
	m := make(map[int][]byte, window)
	before := stats()
	start := time.Now()
	made := 0
	for elapsed := time.Duration(0); elapsed < time.Duration(ms)*time.Millisecond; elapsed = time.Since(start) {
		due := int(elapsed.Seconds() * float64(mibPerSecond) * 1024)
		for ; made < due && time.Since(start) < time.Duration(ms)*time.Millisecond; made++ {
			m[made] = make([]byte, size)
			delete(m, made-window)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(start)
	after := stats()
	var most, sum float64
	cycles := int(after.NumGC - before.NumGC)
	for i := range min(cycles, len(after.PauseNs)) {
		p := float64(after.PauseNs[(int(after.NumGC)-1-i+len(after.PauseNs))%len(after.PauseNs)]) / 1000
		most, sum = max(most, p), sum+p
	}
	return result{"mib_s": float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20) / took.Seconds(), "collections": cycles,
		"longest_us": most, "mean_us": sum / float64(max(cycles, 1))}
}

func forced(periodMs, ms int, state string) result {
	period := (*int64)(symbol("runtime.forcegcperiod"))
	own := *period
	if periodMs > 0 {
		*period = int64(periodMs) * 1e6
	}
	garbage := state == "garbage"
	if garbage {
		runtime.GC()               // the first one starts the clock
		debug.SetGCPercent(100000) // it stays where it is until a forced collection comes; -1 would forbid that too
		chain(64 << 20)
	} else {
		collected()
	}
	before := stats()
	for end := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	after := stats()
	return result{"period_s": float64(own) / 1e9, "set_ms": periodMs, "watched_ms": ms, "state": state,
		"collections": after.NumGC - before.NumGC, "heap_mib_before": before.HeapAlloc >> 20, "heap_mib_after": after.HeapAlloc >> 20}
}

func number(i int) int {
	must(i < len(os.Args), "an argument is missing")
	n, err := strconv.Atoi(os.Args[i])
	must(err == nil && n >= 0 && bits.Len(uint(n)) < 40, "'"+os.Args[i]+"' is no number that fits")
	return n
}

func main() {
	must(len(os.Args) > 2, "usage: see the top of main.go")
	commands := map[string]func() result{
		"barrier":     func() result { return barrier(number(2)) },
		"overflow":    func() result { return overflow(number(2)) },
		"generations": func() result { return generations(number(2)) },
		"loop":        func() result { return loop(number(2)) },
		"keeps":       func() result { return keeps(number(2)) },
		"assign":      func() result { return assign(number(2)) },
		"profile":     func() result { return profile(number(2)) },
		"sampling":    func() result { return sampling(number(2), number(3)) },
		"memstats":    func() result { return memstats(number(2)) },
		"release":     func() result { return release(number(2)) },
		"pauses":      func() result { return pauses(number(2), number(3)) },
		"forced":      func() result { return forced(number(2), number(3), os.Args[4]) },
	}
	run, known := commands[os.Args[1]]
	must(known, "no command '"+os.Args[1]+"'")
	answer := run()
	answer["version"] = runtime.Version()
	must(json.NewEncoder(os.Stdout).Encode(answer) == nil, "stdout cannot be written")
}
