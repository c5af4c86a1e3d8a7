// Command racing has maps that never hold still and whose sizes together never change.
//
// Writers have a pair of maps each, left and right, and carry entries from one to the other and back: first in, then
// out.  At any one moment both together have N entries, or N + 1.  Looked at in different moments they can have any
// number.  Another goroutine makes garbage, so that the collector runs; locked ones wait for each other, so that the
// program has many threads.
//
//	racing PAIRS ENTRIES THREADS
//
// Answers a line "ops" with how many moves were made, "stop" with "ok" or what is wrong.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

type pair struct {
	left, right map[uint64]uint64
}

var (
	pairs   []*pair
	garbage map[string][]byte
	moves   atomic.Uint64
	stop    atomic.Bool
	writers sync.WaitGroup
)

func carry(from, to map[uint64]uint64, keys uint64) {
	for k := uint64(0); k < keys && !stop.Load(); k++ {
		if v, ok := from[k]; ok {
			to[k] = v
			delete(from, k)
			moves.Add(1)
		}
	}
}

func (p *pair) work(keys uint64) {
	defer writers.Done()
	for !stop.Load() {
		carry(p.left, p.right, keys)
		carry(p.right, p.left, keys)
	}
}

func litter() {
	defer writers.Done()
	for i := 0; !stop.Load(); i++ {
		m := map[string][]byte{}
		for k := 0; k < 100; k++ {
			m[strconv.Itoa(k*i)] = make([]byte, 200)
		}
		garbage = m
	}
}

func wait(gate *sync.Mutex) {
	runtime.LockOSThread()
	gate.Lock() // for ever
}

func verdict(keys uint64) string {
	for i, p := range pairs {
		if n := uint64(len(p.left) + len(p.right)); n != keys {
			return fmt.Sprintf("pair %d has %d entries of %d", i, n, keys)
		}
		for k := uint64(0); k < keys; k++ {
			l, a := p.left[k]
			r, b := p.right[k]
			if a == b || l+r != k*3 {
				return fmt.Sprintf("pair %d: entry %d is wrong", i, k)
			}
		}
	}
	return "ok"
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 40)
	if err != nil {
		fmt.Fprintln(os.Stderr, "racing:", err)
		os.Exit(2)
	}
	return n
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: racing PAIRS ENTRIES THREADS")
		os.Exit(2)
	}
	count, keys, threads := number(os.Args[1]), number(os.Args[2]), number(os.Args[3])
	var gate sync.Mutex
	gate.Lock()
	for range make([]struct{}, threads) {
		go wait(&gate)
	}
	for range make([]struct{}, count) {
		p := &pair{map[uint64]uint64{}, map[uint64]uint64{}}
		for k := uint64(0); k < keys; k++ {
			p.left[k] = k * 3
		}
		pairs = append(pairs, p)
		writers.Add(1)
		go p.work(keys)
	}
	writers.Add(1)
	go litter()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "stop" {
			stop.Store(true)
			writers.Wait()
			fmt.Println(verdict(keys))
		} else {
			fmt.Println(moves.Load())
		}
	}
}
