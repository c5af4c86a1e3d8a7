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
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

// symbol is the address of a variable of the runtime.
func symbol(name string) unsafe.Pointer {
	file, err := elf.Open("/proc/self/exe")
	gokit.Must(err == nil, "this executable cannot be read")
	defer file.Close()
	gokit.Must(file.Type == elf.ET_EXEC, "this executable can be loaded anywhere: its addresses are not known")
	symbols, err := file.Symbols()
	gokit.Must(err == nil, "this executable has no symbols")
	for _, s := range symbols {
		if s.Name == name {
			address := uintptr(s.Value)
			return *(*unsafe.Pointer)(unsafe.Pointer(&address))
		}
	}
	gokit.Must(false, "the runtime has no "+name)
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

func barrier(n int) gokit.Answer {
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
		if gokit.IsClassic() && gokit.ClassicOf(m).Growing() {
			growing++
			if *enabled {
				onWhileGrowing++
			}
		}
	}
	for i := 0; gokit.IsClassic() && gokit.ClassicOf(m).Growing(); i++ { // an overwrite moves two old buckets
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
			gokit.Must(!gokit.IsClassic() || !gokit.ClassicOf(m).Growing(), "the map grows though nothing is inserted")
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
	return gokit.Answer{"inserts": inserts, "growing": growing,
		"on_while_growing": onWhileGrowing, "on_without_collector": onAtAll,
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

func overflow(n int) gokit.Answer {
	if !gokit.IsClassic() {
		return gokit.Answer{}
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
	if extra := gokit.ClassicOf(without).Extra; extra != nil && extra.Overflow != nil {
		listed = len(*extra.Overflow)
	}
	return gokit.Answer{"bucket_bytes": size, "scanned_with_pointers": p, "scanned_without": q, "overflow_listed": listed,
		"overflow_with_pointers": gokit.ClassicOf(withPointers).Noverflow,
		"overflow_without":       gokit.ClassicOf(without).Noverflow,
		"lost_after_collections": lost}
}

// ---- generations

func markSeconds() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(sample)
	sum := 0.0
	for _, s := range sample {
		gokit.Must(s.Value.Kind() == metrics.KindFloat64, "no metric "+s.Name)
		sum += s.Value.Float64()
	}
	return sum
}

func generations(mib int) gokit.Answer {
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
	return gokit.Answer{"mib": mib, "mark_ms_per_cycle": 1000 * took / cycles}
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

func loop(n int) gokit.Answer {
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
	gokit.Must(<-got%2 == 0, "key and value do not belong together")
	it := iteratorOf(n)
	iterator := collected()
	runtime.KeepAlive(it)
	return gokit.Answer{"map_bytes": gain(whole.HeapAlloc, base.HeapAlloc),
		"left_dropped":   gain(dropped.HeapAlloc, base.HeapAlloc),
		"left_goroutine": gain(goroutine.HeapAlloc, base.HeapAlloc), "left_iterator": gain(iterator.HeapAlloc, base.HeapAlloc)}
}

//go:noinline
func oneBucketOf(n int) unsafe.Pointer {
	m := make(map[int]int, n)
	for i := range n {
		m[i] = i
	}
	if gokit.IsClassic() {
		return unsafe.Add(gokit.ClassicOf(m).Buckets, 144*(n/100)) // a bucket within the array
	}
	s := gokit.SwissOf(m)
	gokit.Must(s.Length > 0, "the map is too small")
	return unsafe.Add(s.Directory()[0].Groups, 136)
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

func keeps(n int) gokit.Answer {
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
	return gokit.Answer{"array_bytes": gain(whole.HeapAlloc, base.HeapAlloc),
		"array_dropped": gain(gone.HeapAlloc, base.HeapAlloc),
		"array_held":    gain(held.HeapAlloc, base.HeapAlloc), "kept_one_in": perSpan,
		"span_alloc_full": gain(full.HeapAlloc, start.HeapAlloc), "span_alloc_sparse": gain(sparse.HeapAlloc, start.HeapAlloc),
		"span_inuse_full": gain(full.HeapInuse, start.HeapInuse), "span_inuse_sparse": gain(sparse.HeapInuse, start.HeapInuse),
		"span_inuse_refilled": gain(refilled.HeapInuse, start.HeapInuse)}
}

// ---- allocation and its statistics

func assign(n int) gokit.Answer {
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
	return gokit.Answer{"inserts": n, "collections_inserting": filled.NumGC - before.NumGC,
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
	gokit.Must(ok, "the profile grew while it was read")
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

func profile(n int) gokit.Answer {
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
	return gokit.Answer{"map_bytes": gain(whole.HeapAlloc, base.HeapAlloc), "holder_bytes": holders, "filler_bytes": fillers}
}

//go:noinline
func leaf(all []*node) {
	for i := range all {
		all[i] = &node{n: i}
	}
}

func sampling(n, rate int) gokit.Answer {
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
	return gokit.Answer{"allocations": n, "rate": runtime.MemProfileRate, "recorded": recorded}
}

// grew watches a map for growth: of the array (1.23), of tables and directory (later).
func grew[K comparable, V any](m *map[K]V) func() bool {
	if gokit.IsClassic() {
		b := gokit.ClassicOf(*m).B
		return func() bool { return gokit.ClassicOf(*m).B != b || gokit.ClassicOf(*m).Growing() }
	}
	slots := func() (sum int) {
		for i, t := range gokit.SwissOf(*m).Directory() {
			if t.Index == i {
				sum += int(t.Capacity)
			}
		}
		return
	}
	before := slots()
	return func() bool { return slots() != before }
}

func memstats(n int) gokit.Answer {
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
	return gokit.Answer{"collections_between": after.NumGC - before.NumGC, "allocated": len(block),
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
		if gokit.IsClassic() {
			overflows += int(gokit.ClassicOf(plain[i]).Noverflow) + int(gokit.ClassicOf(pointers[i]).Noverflow)
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
	gokit.Must(err == nil, "this executable cannot be read")
	defer file.Close()
	info, err := file.DWARF()
	gokit.Must(err == nil, "this executable has no debug information")
	entries := info.Reader()
	for {
		entry, err := entries.Next()
		gokit.Must(err == nil && entry != nil, "the runtime has no setting "+field)
		if entry.Tag != dwarf.TagVariable || entry.Val(dwarf.AttrName) != "runtime.debug" {
			continue
		}
		kind, err := info.Type(entry.Val(dwarf.AttrType).(dwarf.Offset))
		gokit.Must(err == nil, "runtime.debug has no type")
		for _, f := range kind.(*dwarf.StructType).Field {
			if f.Name == field {
				return *(*int32)(unsafe.Add(symbol("runtime.debug"), f.ByteOffset))
			}
		}
	}
}

func release(n int) gokit.Answer {
	const maps = 20
	base := collected()
	bytes, overflows := dropped(n, maps)
	after := collected()
	return gokit.Answer{"maps": 2 * maps, "entries": n, "bytes": bytes, "overflow_buckets": overflows,
		"left_bytes": gain(after.HeapAlloc, base.HeapAlloc), "left_objects": gain(after.HeapObjects, base.HeapObjects),
		"gcstoptheworld": runtimeDebug("gcstoptheworld")}
}

// ---- pauses

func pauses(mibPerSecond, ms int) gokit.Answer {
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
	return gokit.Answer{"mib_s": float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20) / took.Seconds(),
		"collections": cycles,
		"longest_us":  most, "mean_us": sum / float64(max(cycles, 1))}
}

func forced(periodMs, ms int, state string) gokit.Answer {
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
	return gokit.Answer{"period_s": float64(own) / 1e9, "set_ms": periodMs, "watched_ms": ms, "state": state,
		"collections": after.NumGC - before.NumGC, "heap_mib_before": before.HeapAlloc >> 20, "heap_mib_after": after.HeapAlloc >> 20}
}

func number(i int) int {
	gokit.Must(i < len(os.Args), "an argument is missing")
	return gokit.Number(os.Args[i], 0)
}

func main() {
	gokit.Must(len(os.Args) > 2, "usage: see the top of main.go")
	commands := map[string]func() gokit.Answer{
		"barrier":     func() gokit.Answer { return barrier(number(2)) },
		"overflow":    func() gokit.Answer { return overflow(number(2)) },
		"generations": func() gokit.Answer { return generations(number(2)) },
		"loop":        func() gokit.Answer { return loop(number(2)) },
		"keeps":       func() gokit.Answer { return keeps(number(2)) },
		"assign":      func() gokit.Answer { return assign(number(2)) },
		"profile":     func() gokit.Answer { return profile(number(2)) },
		"sampling":    func() gokit.Answer { return sampling(number(2), number(3)) },
		"memstats":    func() gokit.Answer { return memstats(number(2)) },
		"release":     func() gokit.Answer { return release(number(2)) },
		"pauses":      func() gokit.Answer { return pauses(number(2), number(3)) },
		"forced":      func() gokit.Answer { return forced(number(2), number(3), os.Args[4]) },
	}
	run, known := commands[os.Args[1]]
	gokit.Must(known, "no command '"+os.Args[1]+"'")
	run().Print()
}
