// sharding KEYS: which of 16 shards do calls get, by the address of the function's parameter and by a hash of the key?
//
// Every key is looked up from four places: a loop, a function with a larger frame, a deep recursion, and many
// goroutines.  Counts of all calls by shard, and of keys that did not get the same shard from all four.
package main

import (
	"hash/maphash"
	"os"
	"strconv"
	"sync"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

const shards = 16

// The articles' function.
//
//go:noinline
func byAddress(key string) int { return int(uintptr(unsafe.Pointer(&key)) % shards) }

// The same where the compiler may inline it: then the parameter is a variable of the caller.
func byAddressInlined(key string) int { return int(uintptr(unsafe.Pointer(&key)) % shards) }

var seed = maphash.MakeSeed()

//go:noinline
func byHash(key string) int { return int(maphash.String(seed, key) % shards) }

type function func(string) int

//go:noinline
func largerFrame(of function, key string) int {
	var frame [13]uint64
	frame[len(key)%13] = 1
	shard := of(key)
	if frame[0]+frame[5] > 1 {
		return -1
	}
	return shard
}

//go:noinline
func deeper(depth int, of function, key string) int {
	if depth == 0 {
		return of(key)
	}
	return deeper(depth-1, of, key)
}

type result struct {
	Calls         int         `json:"calls"`
	Counts        [shards]int `json:"counts"`
	Used          int         `json:"used"`
	Fullest       float64     `json:"fullest"`
	KeysInSeveral int         `json:"keys_in_several"`
}

func measure(of function, keys []string) (r result) {
	got := make([][4]int, len(keys))
	for i, key := range keys {
		got[i][0] = of(key)
		got[i][1] = largerFrame(of, key)
		got[i][2] = deeper(i%7, of, key)
	}
	var all sync.WaitGroup
	for first := 0; first < len(keys); first += 100 {
		all.Add(1)
		go func(from int) {
			defer all.Done()
			for i := from; i < min(from+100, len(keys)); i++ {
				got[i][3] = of(keys[i])
			}
		}(first)
	}
	all.Wait()
	for _, four := range got {
		for _, shard := range four {
			gokit.Must(shard >= 0 && shard < shards, "no such shard")
			r.Counts[shard]++
			r.Calls++
		}
		if four[0] != four[1] || four[0] != four[2] || four[0] != four[3] {
			r.KeysInSeveral++
		}
	}
	for _, n := range r.Counts {
		if n > 0 {
			r.Used++
		}
		r.Fullest = max(r.Fullest, float64(n)/float64(r.Calls))
	}
	return r
}

func main() {
	gokit.Must(len(os.Args) == 2, "usage: sharding KEYS")
	n := gokit.Number(os.Args[1], 1000)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i)
	}
	gokit.Answer{
		"keys":            n,
		"address":         measure(byAddress, keys),
		"address inlined": measure(func(key string) int { return byAddressInlined(key) }, keys),
		"hash":            measure(byHash, keys),
	}.Print()
}
