package main

import (
	"container/list"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

type user struct {
	Name string
	Tags map[string]int
	age  int
}

type index map[string]int

type session struct {
	id    uint64
	attrs map[string]string
	seen  map[uint64]bool
	next  *session
}

type base struct {
	shared map[string]bool
}

type service struct {
	base
	name   string
	caches [3]map[int]string
	inner  struct {
		pad  [5]int
		deep map[string]user
	}
}

type box[T any] struct {
	value T
	more  []T
}

type tree struct {
	left, right *tree
	m           map[int32]struct{}
}

type holder interface{ size() int }

func (s *session) size() int { return len(s.attrs) }

type byValue struct {
	a, b uint64
	m    map[string]int
}

func (v byValue) size() int { return len(v.m) }

// Globals, one of each kind.
var (
	GInts    map[int]int
	GNamed   index
	GArray   [7]map[string]int
	GService service
	GPtr     *service
	GSlice   []session
	GPtrs    []*session
	GList    *session
	GTree    *tree
	GNested  map[string]map[int]int
	GByPtr   map[*session]int
	GUsers   map[string]user
	GUserPtr map[int]*user
	GAny     []any
	GHolders []holder
	GChan    = make(chan map[string]bool, 64)
	GChanPtr = make(chan *session, 16)
	GFuncs   []func() int
	GSyncMap sync.Map
	GPool    = sync.Pool{}
	GAtomic  atomic.Value
	GCtx     context.Context
	GRing    *list.List
	GUnsafe  unsafe.Pointer
	GInside  *map[string]int
	GBox     box[map[string]int]
	GTimer   *time.Timer
	GMethod  []func() int
	GWide    [][40]session
	GFar     map[int][200]byte
	GFarKey  map[[200]byte]int
	GFloat   map[float64]string
	GKeyAny  map[any]int
	GEmpty   map[string]string
	GBytes   map[uint8]uint8
	GDeep    ***map[int]int
	GFinal   *user
)

// What these point to has no name of its own: the compiler puts it into the data segment.
var (
	GStatic              = &service{name: "static"}
	GStaticHolder holder = &session{id: 7}
	GStaticList          = &session{next: &session{next: &session{id: 9}}}
)

// size of the map number i: some empty, some small, some of one table, few of many.
func size(i int) int {
	switch {
	case i%10 == 3:
		return 0
	case i%97 == 5:
		return 2000 + i
	case i%7 == 2:
		return 20 + i%300
	}
	return 1 + i%8
}

// thin takes out every third entry and more, so that tombstones come to be.
func thin[K comparable, V any](m map[K]V, i int) {
	if i%5 != 1 {
		return
	}
	n := 0
	for k := range m {
		if n++; n%3 == 0 {
			delete(m, k)
		}
	}
}

func ints(i int) map[int]int {
	m := map[int]int{}
	for k := 0; k < size(i); k++ {
		m[k*7+i] = k
	}
	thin(m, i)
	return m
}

func words(i int) map[string]int {
	m := map[string]int{}
	for k := 0; k < size(i); k++ {
		m[fmt.Sprint("w", k)] = k
	}
	thin(m, i)
	return m
}

func texts(i int) map[string]string {
	m := make(map[string]string, i%3*10)
	for k := 0; k < size(i); k++ {
		m[fmt.Sprint("k", k)] = "value"
	}
	thin(m, i)
	return m
}

func flags(i int) map[uint64]bool {
	m := map[uint64]bool{}
	for k := 0; k < size(i); k++ {
		m[uint64(k)<<20] = true
	}
	thin(m, i)
	return m
}

func newSession(i int) *session {
	return &session{id: uint64(i), attrs: texts(i), seen: flags(i + 1)}
}

func noteSession(kind, path string, s *session) {
	note(kind, path+".attrs", true, s.attrs)
	note(kind, path+".seen", true, s.seen)
}

func hold() {
	holdGlobals()
	holdSessions()
	holdMapsInMaps()
	holdInterfaces()
	holdClosures()
	holdSync()
	holdOdd()
}

func holdGlobals() {
	GInts, GNamed, GEmpty = ints(5), index(words(12)), map[string]string{}
	note("global", "main.GInts", true, GInts)
	note("global", "main.GNamed", true, GNamed)
	note("global", "main.GEmpty", true, GEmpty)
	for i := range GArray {
		GArray[i] = words(i)
		note("array", fmt.Sprintf("main.GArray[%d]", i), true, GArray[i])
	}
	GPtr = &service{name: "pointed"}
	for which, s := range []*service{&GService, GPtr} {
		name := []string{"main.GService", "main.GPtr"}[which]
		s.shared = map[string]bool{"a": true}
		note("embedded", name+".base.shared", true, s.shared)
		for i := range s.caches {
			s.caches[i] = map[int]string{i: "x"}
			note("field", fmt.Sprintf("%s.caches[%d]", name, i), true, s.caches[i])
		}
		s.inner.deep = map[string]user{"u": {Tags: words(2)}, "v": {Tags: words(4)}}
		note("field", name+".inner.deep", true, s.inner.deep)
		for _, u := range s.inner.deep {
			note("map value", name+".inner.deep[*].Tags", true, u.Tags)
		}
	}
	GStatic.shared = map[string]bool{"static": true}
	note("static", "main.GStatic.base.shared", true, GStatic.shared)
	GStatic.caches[2] = map[int]string{2: "x"}
	note("static", "main.GStatic.caches[2]", true, GStatic.caches[2])
	*GStaticHolder.(*session) = *newSession(12)
	noteSession("static", "main.GStaticHolder.(*main.session)", GStaticHolder.(*session))
	*GStaticList.next.next = *newSession(13)
	noteSession("static", "main.GStaticList.next.next", GStaticList.next.next)
	GFar, GFarKey, GFloat = map[int][200]byte{}, map[[200]byte]int{}, map[float64]string{}
	GKeyAny, GBytes = map[any]int{}, map[uint8]uint8{}
	for i := 0; i < 100; i++ {
		GFar[i] = [200]byte{1}
		GFarKey[[200]byte{byte(i)}] = i
		GFloat[float64(i)/3] = "third"
		GKeyAny[i], GKeyAny[fmt.Sprint(i)] = i, i
		GBytes[uint8(i)] = uint8(i)
	}
	thin(GFar, 1)
	thin(GFloat, 1)
	note("global", "main.GFar", true, GFar)
	note("global", "main.GFarKey", true, GFarKey)
	note("global", "main.GFloat", true, GFloat)
	note("global", "main.GKeyAny", true, GKeyAny)
	note("global", "main.GBytes", true, GBytes)
}

func holdSessions() {
	GSlice = make([]session, 300)
	for i := range GSlice {
		GSlice[i] = *newSession(i)
		noteSession("slice", fmt.Sprintf("main.GSlice[%d]", i), &GSlice[i])
	}
	for i := 0; i < 300; i++ {
		GPtrs = append(GPtrs, newSession(i))
		noteSession("slice of pointers", fmt.Sprintf("main.GPtrs[%d]", i), GPtrs[i])
	}
	for i := 0; i < 300; i++ {
		s := newSession(i)
		s.next, GList = GList, s
		noteSession("list", "main.GList~", s)
	}
	GWide = make([][40]session, 3)
	for i := range GWide {
		for k := range GWide[i] {
			GWide[i][k] = *newSession(k)
			noteSession("slice of arrays", fmt.Sprintf("main.GWide[%d][%d]", i, k), &GWide[i][k])
		}
	}
	GTree = grow(7)
}

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	t := &tree{left: grow(depth - 1), right: grow(depth - 1), m: map[int32]struct{}{}}
	for k := 0; k < depth*5; k++ {
		t.m[int32(k)] = struct{}{}
	}
	note("tree", "main.GTree", true, t.m)
	return t
}

func holdMapsInMaps() {
	GNested, GByPtr = map[string]map[int]int{}, map[*session]int{}
	GUsers, GUserPtr = map[string]user{}, map[int]*user{}
	for i := 0; i < 200; i++ {
		GNested[fmt.Sprint(i)] = ints(i)
		note("map value", "main.GNested[*]", true, GNested[fmt.Sprint(i)])
		s := newSession(i)
		GByPtr[s] = i
		noteSession("map key", "main.GByPtr[key]", s)
		GUsers[fmt.Sprint(i)] = user{Tags: words(i)}
		note("map value", "main.GUsers[*].Tags", true, GUsers[fmt.Sprint(i)].Tags)
		GUserPtr[i] = &user{Tags: words(i)}
		note("map value", "main.GUserPtr[*].Tags", true, GUserPtr[i].Tags)
	}
	note("global", "main.GNested", true, GNested)
	note("global", "main.GByPtr", true, GByPtr)
	note("global", "main.GUsers", true, GUsers)
	note("global", "main.GUserPtr", true, GUserPtr)
}

func holdInterfaces() {
	for i := 0; i < 100; i++ {
		m, s, v := words(i), newSession(i), byValue{m: words(i)}
		GAny = append(GAny, m, s, v, &v.m)
		note("interface", "main.GAny", true, m)
		noteSession("interface", "main.GAny[~]~", s)
		note("interface", "main.GAny", true, v.m)
		h, w := newSession(i), byValue{m: words(i)}
		GHolders = append(GHolders, h, w)
		noteSession("interface with methods", "main.GHolders[~]~", h)
		note("interface with methods", "main.GHolders", true, w.m)
	}
	for i := 0; i < 50; i++ {
		m := map[string]bool{fmt.Sprint(i): true}
		GChan <- m
		note("channel", "main.GChan<-", true, m)
	}
	for i := 0; i < 16; i++ {
		s := newSession(i)
		GChanPtr <- s
		noteSession("channel", "main.GChanPtr<-[~]", s)
	}
}

func counter(i int) func() int {
	cache := ints(i)
	note("closure", "main.GFuncs", runtimeTellsClosures, cache)
	return func() int { cache[-1]++; return len(cache) }
}

func swapper(i int) func() int {
	cache := ints(i) // caught by reference: it is assigned to
	note("closure", "main.GFuncs", runtimeTellsClosures, cache)
	return func() int {
		if cache == nil {
			cache = map[int]int{}
		}
		old := cache
		cache = old
		return len(cache)
	}
}

func holdClosures() {
	for i := 0; i < 100; i++ {
		GFuncs = append(GFuncs, counter(i), swapper(i))
	}
	for i := 0; i < 20; i++ {
		s := newSession(i)
		GMethod = append(GMethod, s.size)
		note("method value", "main.GMethod", false, s.attrs)
		note("method value", "main.GMethod", false, s.seen)
	}
}

func holdSync() {
	for i := 0; i < 60; i++ {
		m, s := words(i), newSession(i)
		GSyncMap.Store(i, m)
		GSyncMap.Store(fmt.Sprint(i), s)
		note("sync.Map", "main.GSyncMap", true, m)
		noteSession("sync.Map", "main.GSyncMap~", s)
	}
	value := words(31)
	GAtomic.Store(value)
	note("atomic.Value", "main.GAtomic", true, value)
	holdAtomicPointer()
}

// holdInPool comes behind the last collection, which empties pools.
func holdInPool() {
	pooled := newSession(1)
	if !poolsKeep {
		return
	}
	GPool.Put(pooled)
	noteSession("sync.Pool", "~", pooled)
}

type ctxKey struct{}

func holdOdd() {
	inCtx := words(8)
	GCtx = context.WithValue(context.Background(), ctxKey{}, inCtx)
	note("context", "main.GCtx", true, inCtx)
	GRing = list.New()
	for i := 0; i < 30; i++ {
		m := ints(i)
		GRing.PushBack(m)
		note("container/list", "main.GRing", true, m)
	}
	raw := newSession(11)
	GUnsafe = unsafe.Pointer(raw)
	note("unsafe.Pointer", "main.GUnsafe", false, raw.attrs)
	note("unsafe.Pointer", "main.GUnsafe", false, raw.seen)
	whole := &byValue{m: words(21)}
	GInside = &whole.m
	note("pointer into a struct", "main.GInside", true, whole.m)
	GBox = box[map[string]int]{value: words(1), more: []map[string]int{words(2), words(4)}}
	note("generic", "main.GBox.value", true, GBox.value)
	note("generic", "main.GBox.more[0]", true, GBox.more[0])
	note("generic", "main.GBox.more[1]", true, GBox.more[1])
	late := ints(14)
	GTimer = time.AfterFunc(1000*time.Hour, func() { late[0]++ })
	note("timer", "main.GTimer", runtimeTellsClosures, late)
	deep := ints(22)
	one := &deep
	two := &one
	GDeep = &two
	note("pointers to pointers", "main.GDeep", true, deep)
	GFinal = &user{Name: "x"}
	final := ints(29)
	runtime.SetFinalizer(GFinal, func(*user) { final[0]++ })
	note("finalizer", "finalizer or cleanup", false, final)
}

var held = make(chan bool) // never closed: goroutines wait on it for ever

//go:noinline
func escaped(ready chan<- bool, i int) {
	m := words(i)
	note("goroutine, escaped", "goroutine ~ main.escaped", false, m)
	ready <- true
	<-held
	runtime.KeepAlive(m)
}

//go:noinline
func local(ready chan<- bool, n int) {
	m := make(map[int]int, n) // does not escape: its header is on the stack
	for i := 0; i < n; i++ {
		m[i] = i
	}
	for i := 0; i < 2; i++ { // the first may move the stack, and m with it
		noteAt("goroutine, on its stack", "goroutine ~ main.local", "map[int]int", *(*uintptr)(unsafe.Pointer(&m)), len(m), i)
	}
	ready <- true
	<-held
	m[1]++
}

func holdOnStacks() {
	ready := make(chan bool)
	for i := 0; i < 50; i++ {
		go escaped(ready, i*10+4)
		<-ready
	}
	for _, n := range []int{3, 8, 40, 5000} {
		go local(ready, n)
		<-ready
	}
	caught := ints(24)
	note("goroutine closure", "", false, caught)
	go func() {
		ready <- true
		<-held
		caught[0]++
	}()
	<-ready
	sent := words(18)
	note("blocked sender", "", false, sent)
	go func() {
		ready <- true
		never <- sent
	}()
	<-ready
	for runtime.NumGoroutine() < 57 {
		runtime.Gosched()
	}
}

var never = make(chan map[string]int)
