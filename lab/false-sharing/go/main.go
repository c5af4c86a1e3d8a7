// sharing PLACE OPS: two goroutines, each updating one entry of a map of its own; no program could be more innocent.
// PLACE says which of the maps' memory lies on one cache line:
//
//	headers   their 48-byte headers, but not their buckets
//	buckets   the end of one's bucket (Go 1.24 and later: group) and the beginning of the other's, but not their headers
//	nothing   neither
//
// Maps are made by the hundred, and a pair is picked by its addresses.  Prints the median time of an update, wall
// clock, as JSON.
package main

import (
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const (
	many       = 600
	rounds     = 41
	line       = 64
	headerSize = 48
	lastElem   = 128 // offset of the eighth elem in a bucket, and in a Swiss group
	first      = 16  // what an update reads first of a bucket: tophashes, the first key
)

type one struct {
	m              map[uint64]uint64
	header, bucket uintptr
}

func touch(a, aBytes, b, bBytes uintptr) bool {
	return a/line <= (b+bBytes-1)/line && b/line <= (a+aBytes-1)/line
}

func apart(a, b uintptr) bool { return a > b+4*line || b > a+4*line }

// fit tells whether a pair lies as asked.  The first map's last entry will be updated, and the second map's first.
func fit(place string, a, b one) bool {
	headers := touch(a.header, headerSize, b.header, headerSize)
	buckets := touch(a.bucket+lastElem, 8, b.bucket, first)
	switch place {
	case "headers":
		return headers && apart(a.bucket, b.bucket)
	case "buckets":
		return buckets && apart(a.header, b.header)
	}
	return apart(a.header, b.header) && apart(a.bucket, b.bucket)
}

// makeMaps makes headers in one order and buckets in another, so that neighbours in one are not neighbours in the other.
func makeMaps() []one {
	all := make([]one, many)
	for i := range all {
		all[i].m = map[uint64]uint64{}
	}
	for i := range all {
		m := &all[i*7%many*11%many]
		for k := uint64(0); k < 8; k++ {
			m.m[k] = 0
		}
	}
	for i := range all {
		h := gokit.ClassicOf(all[i].m) // a Swiss map of 8 entries has its one group at the same place
		all[i].header, all[i].bucket = uintptr(unsafe.Pointer(h)), uintptr(h.Buckets)
	}
	return all
}

func pick(place string, all []one) (a, b one, found bool) {
	for i := range all {
		for j := range all {
			if i != j && fit(place, all[i], all[j]) {
				return all[i], all[j], true
			}
		}
	}
	return
}

func pin(cpu int) {
	runtime.LockOSThread()
	mask := [16]uint64{1 << cpu}
	_, _, err := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	gokit.Must(err == 0, "cannot pin a thread")
}

func allowed() (cpus []int) {
	var mask [16]uint64
	_, _, err := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	gokit.Must(err == 0, "sched_getaffinity failed")
	for i := 0; i < 64; i++ {
		if mask[0]>>i&1 != 0 {
			cpus = append(cpus, i)
		}
	}
	return
}

func run(a, b one, ops int) float64 {
	cpus := allowed()
	gokit.Must(len(cpus) >= 2, "two processors are needed")
	var arrived int64
	var wait sync.WaitGroup
	took := [2][rounds]time.Duration{}
	for t, m := range []struct {
		m   map[uint64]uint64
		key uint64
	}{{a.m, 7}, {b.m, 0}} {
		wait.Add(1)
		go func(t int, m map[uint64]uint64, key uint64) {
			defer wait.Done()
			pin(cpus[t])
			for r := 0; r < rounds; r++ {
				atomic.AddInt64(&arrived, 1)
				for atomic.LoadInt64(&arrived) < int64(2*(r+1)) {
				}
				start := time.Now()
				for i := 0; i < ops; i++ {
					m[key]++
				}
				took[t][r] = time.Since(start)
			}
			gokit.Must(m[key] == uint64(rounds*ops), "updates are lost")
		}(t, m.m, m.key)
	}
	wait.Wait()
	all := append(took[0][:], took[1][:]...)
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return float64(all[rounds]) / float64(ops)
}

func main() {
	gokit.Must(len(os.Args) == 3, "usage: sharing headers|buckets|nothing OPS")
	ops := gokit.Number(os.Args[2], 1)
	runtime.GOMAXPROCS(3) // two that spin, and one for the rest
	all := makeMaps()
	a, b, found := pick(os.Args[1], all)
	gokit.Must(found, "no pair of maps lies like that")
	ns := run(a, b, ops)
	runtime.KeepAlive(all)
	gokit.Answer{"ns": ns, "headers": int64(b.header) - int64(a.header),
		"buckets": int64(b.bucket) - int64(a.bucket)}.Print()
}
