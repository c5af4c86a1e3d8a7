// Go's map as an engine of the benchmark: the operations of harness.h, the keys of types.h, the command line
// and output of runner.py.  Read harness.h first; this file repeats it in Go's words.
//
// Time is that of the whole process, so what the garbage collector takes is in it.  Strings are Go's own: a map
// keeps a pointer to bytes that it shares with the caller, where the C tables make a copy.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

const (
	queriesPerWork = 4
	batch          = 256
	turnover       = 10
	passes         = 3
	clockProcess   = 2 // CLOCK_PROCESS_CPUTIME_ID
)

type wide [8]uint64

// Keys and values are told apart by their sizes: a call through a function would cost more than some lookups, and
// sizes are known where Go compiles this for a type.

func value[V any](i uint64) (v V) {
	switch unsafe.Sizeof(v) {
	case 4:
		*(*uint32)(unsafe.Pointer(&v)) = uint32(i)
	case 8:
		*(*uint64)(unsafe.Pointer(&v)) = i
	default:
		*(*wide)(unsafe.Pointer(&v)) = wide{i, ^i, i, i, i, i, i, i}
	}
	return v
}

func id[V any](v *V) uint64 {
	if unsafe.Sizeof(*v) == 4 {
		return uint64(*(*uint32)(unsafe.Pointer(v)))
	}
	return *(*uint64)(unsafe.Pointer(v))
}

func glance[K any](k *K) uint64 {
	if unsafe.Sizeof(*k) == unsafe.Sizeof("") {
		return 0
	}
	return id(k)
}

func after[K any](k K, number uint64) K {
	switch unsafe.Sizeof(k) {
	case 4:
		*(*uint32)(unsafe.Pointer(&k)) += uint32(number >> 31)
	case 8:
		*(*uint64)(unsafe.Pointer(&k)) += number >> 31
	default:
		text := (*string)(unsafe.Pointer(&k))
		*text = (*text)[number>>31:]
	}
	return k
}

func mix(i uint64) uint64 {
	i += 0x9e3779b97f4a7c15
	i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9
	i = (i ^ (i >> 27)) * 0x94d049bb133111eb
	return i ^ (i >> 31)
}

func mix32(i uint32) uint32 {
	i = (i ^ (i >> 16)) * 0x85ebca6b
	i = (i ^ (i >> 13)) * 0xc2b2ae35
	return i ^ (i >> 16)
}

func key64(seed, i uint64) uint64 { return mix(seed<<40 + i) }
func key32(seed, i uint64) uint32 { return mix32(uint32(seed*0x9e3779b1 + i)) }
func keyText(seed, i uint64) string {
	id := key64(seed, i)
	rest := mix(id)
	text := make([]byte, 16+rest%17)
	for at := range text {
		word := id
		if at >= 16 {
			word = rest
		}
		text[at] = "0123456789abcdef"[word>>(60-at%16*4)&15]
	}
	return string(text)
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}

func check(ok bool, what string) {
	if !ok {
		fail(what)
	}
}

func cpuNs() float64 {
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcess, uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Sec)*1e9 + float64(t.Nsec)
}

func clockCost() float64 {
	least := 1e9
	for i := 0; i < 1000; i++ {
		start := cpuNs()
		least = min(least, cpuNs()-start)
	}
	return least
}

type timer struct {
	cost, total, best float64
	operations        int
}

func (t *timer) time(operations int, f func()) {
	start := cpuNs()
	f()
	took := cpuNs() - start - t.cost
	t.total += took
	t.operations += operations
	if each := took / float64(operations); t.best == 0 || each < t.best {
		t.best = each
	}
}

func (t *timer) mean() float64 { return t.total / float64(t.operations) }

func residentBytes() int {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	check(err == nil, "cannot read /proc/self/smaps_rollup")
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Rss:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib * 1024
		}
	}
	fail("no Rss in /proc/self/smaps_rollup")
	return 0
}

type options struct {
	n, work int
	seed    uint64
	ops     string
}

func (o options) wants(op string) bool { return o.ops == "" || strings.Contains(o.ops, ","+op+",") }

type run[K comparable, V any] struct {
	options
	name    string
	key     func(seed, i uint64) K
	queries int
	cost    float64
	keys    []K
	results []string
}

func (r *run[K, V]) random(i uint64) uint64 { return mix(i ^ r.seed<<20 ^ 0x5bd1e995) }
func (r *run[K, V]) repeats() int           { return max(1, r.work/r.n) }

func (r *run[K, V]) result(what string, value float64, operations int) {
	r.results = append(r.results, fmt.Sprintf("%q:[%.3f,%d]", what, value, operations))
}

func (r *run[K, V]) all() {
	for i := 0; i < r.n; i++ {
		r.keys = append(r.keys, r.key(r.seed, uint64(i)))
	}
	if r.wants("rss") {
		r.rss()
	}
	if r.wants("insert_reserved") {
		r.insert("insert_reserved", r.n)
	}
	if r.wants("insert") {
		r.insert("insert", 0)
	}
	if r.wants("erase") {
		r.erase()
	}
	m := r.filled(0)
	if r.wants("hit_growing") {
		r.hit(m, "hit_growing")
	}
	if r.wants("hit") {
		r.hit(m, "hit")
	}
	if r.wants("hit_dependent") {
		r.hitDependent(m)
	}
	if r.wants("hit_batched") {
		r.hitBatched(m)
	}
	if r.wants("miss") {
		r.miss(m, "miss")
	}
	if r.wants("iterate") {
		r.iterate(m)
	}
	if r.wants("churn") || r.wants("miss_churned") {
		r.churn(m)
	}
	fmt.Printf("{\"type\":%q,\"n\":%d,\"results\":{%s}}\n", r.name, r.n, strings.Join(r.results, ","))
}

func (r *run[K, V]) fill(m map[K]V) {
	for i, key := range r.keys {
		m[key] = value[V](uint64(i))
	}
}

func (r *run[K, V]) filled(reserve int) map[K]V {
	m := make(map[K]V, reserve)
	r.fill(m)
	return m
}

func (r *run[K, V]) rss() {
	maps := make([]map[K]V, r.repeats())
	debug.FreeOSMemory()
	before := residentBytes()
	for i := range maps {
		maps[i] = r.filled(0)
	}
	debug.FreeOSMemory() // a collection: the tables that were outgrown do not count
	after := residentBytes()
	entries := len(maps) * r.n
	r.result("rss", max(0, float64(after-before)/float64(entries)), entries)
	runtime.KeepAlive(maps)
}

func (r *run[K, V]) insert(what string, reserve int) {
	t := timer{cost: r.cost}
	for i := 0; i < r.repeats(); i++ {
		var m map[K]V
		t.time(r.n, func() { m = r.filled(reserve) })
		v, ok := m[r.keys[r.n/2]]
		check(ok && id(&v) == uint64(r.n/2), "a key is missing after insert")
	}
	r.result(what, t.mean(), t.operations)
}

func (r *run[K, V]) erase() {
	order := append([]K(nil), r.keys...)
	for i := r.n - 1; i > 0; i-- {
		j := r.random(uint64(i)) % uint64(i+1)
		order[i], order[j] = order[j], order[i]
	}
	t := timer{cost: r.cost}
	for i := 0; i < r.repeats(); i++ {
		m := r.filled(0)
		gone := 0
		t.time(r.n, func() {
			for _, key := range order { // delete does not tell whether the key was there: the lengths do
				before := len(m)
				delete(m, key)
				gone += before - len(m)
			}
		})
		check(gone == r.n && len(m) == 0, "erase did not find what was put")
	}
	r.result("erase", t.mean(), t.operations)
}

func (r *run[K, V]) hits() (keys []K, sum uint64) {
	for i := 0; i < r.queries; i++ {
		at := r.random(uint64(i)) % uint64(r.n)
		keys = append(keys, r.key(r.seed, at))
		sum += at
	}
	return
}

func (r *run[K, V]) hit(m map[K]V, what string) {
	keys, want := r.hits()
	t := timer{cost: r.cost}
	for pass := 0; pass < passes; pass++ {
		sum := uint64(0)
		t.time(len(keys), func() {
			for _, key := range keys {
				if v, ok := m[key]; ok {
					sum += id(&v)
				}
			}
		})
		check(sum == want, "a key that was put is not found")
	}
	r.result(what, t.best, t.operations)
}

func (r *run[K, V]) hitDependent(m map[K]V) {
	keys, _ := r.hits()
	keys = keys[:min(len(keys), r.work)]
	t := timer{cost: r.cost}
	for pass := 0; pass < passes; pass++ {
		value := uint64(0)
		t.time(len(keys), func() {
			for _, key := range keys {
				v, ok := m[after(key, value)]
				if !ok {
					fail("a key that was put is not found")
				}
				value = id(&v)
			}
		})
		check(value == r.random(uint64(len(keys)-1))%uint64(r.n), "a key has the value of another")
	}
	r.result("hit_dependent", t.best, t.operations)
}

func (r *run[K, V]) hitBatched(m map[K]V) {
	keys, want := r.hits()
	var found [batch]V
	var there [batch]bool
	t := timer{cost: r.cost}
	for pass := 0; pass < passes; pass++ {
		sum := uint64(0)
		t.time(len(keys), func() {
			for at := 0; at < len(keys); at += batch {
				part := keys[at:min(at+batch, len(keys))]
				for i, key := range part {
					found[i], there[i] = m[key]
				}
				for i := range part {
					if there[i] {
						sum += id(&found[i])
					}
				}
			}
		})
		check(sum == want, "a key that was put is not found in a batch")
	}
	r.result("hit_batched", t.best, t.operations)
}

func (r *run[K, V]) miss(m map[K]V, what string) {
	keys := make([]K, r.queries)
	for i := range keys {
		keys[i] = r.key(r.seed, uint64(2*r.n+i))
	}
	t := timer{cost: r.cost}
	for pass := 0; pass < passes; pass++ {
		found := 0
		t.time(len(keys), func() {
			for _, key := range keys {
				if _, ok := m[key]; ok {
					found++
				}
			}
		})
		check(found == 0, "a key that was never put is found")
	}
	r.result(what, t.best, t.operations)
}

func (r *run[K, V]) iterate(m map[K]V) {
	want := uint64(0)
	for i, key := range r.keys {
		want += glance(&key) ^ uint64(i)
	}
	t := timer{cost: r.cost}
	for i := 0; i < r.repeats(); i++ {
		sum, seen := uint64(0), 0
		t.time(r.n, func() {
			for key, value := range m {
				sum += glance(&key) ^ id(&value)
				seen++
			}
		})
		check(seen == r.n && sum == want, "iteration is not complete")
	}
	r.result("iterate", t.mean(), t.operations)
}

func (r *run[K, V]) churn(m map[K]V) {
	live := make([]uint64, r.n)
	for i := range live {
		live[i] = uint64(i)
	}
	timed := max(r.n, r.work)
	all := max(timed, turnover*r.n)
	if !r.wants("miss_churned") {
		all = timed
	}
	fresh := uint64(2*r.n + r.queries)
	t := timer{cost: r.cost}
	for done := 0; done < all; {
		pairs := min(r.work, all-done)
		out, in := make([]K, pairs), make([]K, pairs)
		for i := range out {
			place := &live[r.random(fresh)%uint64(r.n)]
			out[i], in[i] = r.key(r.seed, *place), r.key(r.seed, fresh)
			*place = fresh
			fresh++
		}
		gone := 0
		turn := func() {
			for i := range out {
				before := len(m)
				delete(m, out[i])
				gone += before - len(m)
				m[in[i]] = value[V](uint64(i))
			}
		}
		if done < timed {
			t.time(pairs, turn)
		} else {
			turn()
		}
		check(gone == pairs, "churn did not find what it put")
		done += pairs
	}
	if r.wants("churn") {
		r.result("churn", t.mean(), t.operations)
	}
	if r.wants("miss_churned") {
		r.miss(m, "miss_churned")
	}
}

func runIf[K comparable, V any](kind, name string, o options, key func(seed, i uint64) K) bool {
	if kind != name {
		return false
	}
	r := run[K, V]{options: o, name: name, key: key, cost: clockCost(),
		queries: max(o.work, min(o.n, queriesPerWork*o.work))}
	r.all()
	return true
}

func usage() {
	fmt.Fprintf(os.Stderr, "usage: %s TYPE N [--seed S] [--ops A,B] [--work W]   (N: 1 .. 10^9)\n", os.Args[0])
	os.Exit(2)
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > 1000000000 {
		usage()
	}
	return value
}

func main() {
	args := os.Args[1:]
	if len(args) < 2 || len(args)%2 != 0 {
		usage()
	}
	o := options{n: number(args[1]), work: 1000000, seed: 1}
	for i := 2; i < len(args); i += 2 {
		switch args[i] {
		case "--seed":
			o.seed = uint64(number(args[i+1]))
		case "--work":
			o.work = number(args[i+1])
		case "--ops":
			o.ops = "," + args[i+1] + ","
		default:
			usage()
		}
	}
	if !(runIf[uint64, uint64](args[0], "u64-u64", o, key64) ||
		runIf[uint32, uint32](args[0], "u32-u32", o, key32) ||
		runIf[string, uint64](args[0], "str-u64", o, keyText) ||
		runIf[uint64, wide](args[0], "u64-s64", o, key64)) {
		usage()
	}
}
