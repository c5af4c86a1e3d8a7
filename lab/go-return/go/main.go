// retain measures what a Go process gives back to the system, and what its maps keep:
//
//	retain release MIB             allocate, drop half, drop all: resident memory after debug.FreeOSMemory
//	retain map N delete|clear      fill a map, empty it but for 1 %, collect, rebuild it, drop it
//	retain scavenge MIB MS         drop everything and wait: what the background scavenger returns by itself
//	retain padding N               bytes an entry, and the size of a bucket or group, of maps of several types
//
// Each prints one JSON document with the version of Go it runs on. Resident memory is what /proc says: Anonymous and
// LazyFree of smaps_rollup, RssAnon of status.
package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

func field(path, name string) int64 {
	text, err := os.ReadFile(path)
	gokit.Must(err == nil, path+" cannot be read")
	for _, line := range strings.Split(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			gokit.Must(err == nil, name+" is no number")
			return n << 10
		}
	}
	gokit.Must(false, path+" has no "+name)
	return 0
}

// reading is what the system and the runtime say now; the second and third as gains since base.
func reading(base gokit.Answer) gokit.Answer {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	const rollup = "/proc/self/smaps_rollup"
	now := gokit.Answer{"lazy_free": field(rollup, "LazyFree"), "anonymous": field(rollup, "Anonymous"),
		"rss_anon": field("/proc/self/status", "RssAnon"), "heap_alloc": int64(s.HeapAlloc), "heap_inuse": int64(s.HeapInuse),
		"heap_idle": int64(s.HeapIdle), "heap_released": int64(s.HeapReleased)}
	for name := range base {
		if name != "lazy_free" {
			now[name] = now[name].(int64) - base[name].(int64)
		}
	}
	return now
}

// settled is a reading after all that is free went back.
func settled(base gokit.Answer) gokit.Answer {
	runtime.GC()
	debug.FreeOSMemory()
	return reading(base)
}

func touched(mib int) [][]byte {
	all := make([][]byte, mib*16)
	for i := range all {
		all[i] = make([]byte, 64<<10)
		for at := 0; at < len(all[i]); at += 4096 {
			all[i][at] = 1
		}
	}
	return all
}

func release(mib int) gokit.Answer {
	base := settled(nil)
	all := touched(mib)
	full := reading(base)
	for i := len(all) / 2; i < len(all); i++ {
		all[i] = nil
	}
	half := settled(base)
	runtime.KeepAlive(all)
	all = nil
	return gokit.Answer{"mib": mib, "full": full, "half": half, "none": settled(base), "godebug": os.Getenv("GODEBUG")}
}

func keep(n int, how string) gokit.Answer {
	base := settled(nil)
	m := map[uint64]uint64{}
	for i := range n {
		m[uint64(i)] = uint64(i)
	}
	full := settled(base)
	if how == "clear" {
		clear(m)
	} else {
		gokit.Must(how == "delete", "delete or clear?")
		for i := n / 100; i < n; i++ {
			delete(m, uint64(i))
		}
	}
	gokit.Must(len(m) == n/100 || how == "clear" && len(m) == 0, "not as many entries left as there should be")
	emptied := settled(base)
	rebuilt := make(map[uint64]uint64, len(m))
	for k, v := range m {
		rebuilt[k] = v
	}
	m = nil
	again := settled(base)
	gokit.Must(len(rebuilt) == n/100 || how == "clear", "entries are lost")
	runtime.KeepAlive(rebuilt)
	rebuilt = nil
	return gokit.Answer{"entries": n, "how": how, "full": full,
		"emptied": emptied, "rebuilt": again, "dropped": settled(base)}
}

func scavenge(mib, ms int) gokit.Answer {
	base := settled(nil)
	all := touched(mib)
	full := reading(base)
	runtime.KeepAlive(all)
	all = nil
	for range 3 { // its goal follows the size of the heap with a collection's delay
		runtime.GC()
	}
	start := time.Now()
	var curve [][3]int64
	for elapsed := int64(0); elapsed < int64(ms); elapsed = time.Since(start).Milliseconds() {
		now := reading(base)
		curve = append(curve, [3]int64{elapsed, now["anonymous"].(int64), now["heap_released"].(int64)})
		time.Sleep(time.Duration(ms/40) * time.Millisecond)
	}
	before := time.Now()
	debug.FreeOSMemory()
	took := time.Since(before)
	return gokit.Answer{"mib": mib, "full": full, "curve": curve, "forced": reading(base), "forced_ms": float64(took) / 1e6}
}

// measured is what a map of these keys takes, made for so many entries.
func measured[K comparable, V any](keys []K) gokit.Answer {
	var before, made, after runtime.MemStats
	var value V
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := make(map[K]V, len(keys))
	runtime.ReadMemStats(&made)
	for _, key := range keys {
		m[key] = value
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	gokit.Must(len(m) == len(keys), "keys are not all different")
	each := float64(len(keys))
	took := gokit.Answer{"unit_bytes": gokit.BucketSize(reflect.TypeOf(m)),
		"payload_bytes":  unsafe.Sizeof(keys[0]) + unsafe.Sizeof(value),
		"made_per_entry": float64(made.HeapAlloc-before.HeapAlloc) / each,
		"per_entry":      float64(after.HeapAlloc-before.HeapAlloc) / each}
	runtime.KeepAlive(m)
	runtime.KeepAlive(keys)
	return took
}

func padding(n int) gokit.Answer {
	long, short, text := make([]uint64, n), make([]uint32, n), make([]string, n)
	for i := range n {
		long[i], short[i], text[i] = uint64(i), uint32(i), strconv.Itoa(i)
	}
	return gokit.Answer{"entries": n, "types": gokit.Answer{
		"map[uint64]uint64":    measured[uint64, uint64](long),
		"map[uint64]uint32":    measured[uint64, uint32](long),
		"map[uint64]bool":      measured[uint64, bool](long),
		"map[uint64]struct{}":  measured[uint64, struct{}](long),
		"map[uint32]uint32":    measured[uint32, uint32](short),
		"map[uint32]bool":      measured[uint32, bool](short),
		"map[string]uint64":    measured[string, uint64](text),
		"map[string]bool":      measured[string, bool](text),
		"map[string]struct{}":  measured[string, struct{}](text),
		"map[uint64][3]uint32": measured[uint64, [3]uint32](long),
	}}
}

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == "release":
		release(gokit.Number(args[1], 1)).Print()
	case len(args) == 3 && args[0] == "map":
		keep(gokit.Number(args[1], 1), args[2]).Print()
	case len(args) == 3 && args[0] == "scavenge":
		scavenge(gokit.Number(args[1], 1), gokit.Number(args[2], 1)).Print()
	case len(args) == 2 && args[0] == "padding":
		padding(gokit.Number(args[1], 1)).Print()
	default:
		gokit.Fail("usage: retain release MIB | map N delete|clear | scavenge MIB MS | padding N")
	}
}
