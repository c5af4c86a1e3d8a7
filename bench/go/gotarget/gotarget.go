// Command gotarget is a Go process for mapscope to look at, which can tell what it loses by that.
//
//	gotarget MAPS ENTRIES MIB THREADS
//
// It has MAPS maps of ENTRIES entries each, MIB of other objects, half of it lists of 1024 objects with two pointers
// each, half pages of bytes, and THREADS threads that wait.  When all is made it prints "ready" and answers lines:
//
//	work   one unit of work (lookups, inserts and deletes, always as many and the same mix): its processor time, ns
//	huge   have the kernel put its memory into huge pages: MiB of it that are, 0 if the kernel cannot
//	move N from now on N times a millisecond, or if N is 0 without rest, two maps trade places: the only pointers to them
//	moved  no more: how many times they did
//	watch  from now on a thread does nothing but read the clock
//	gap    the longest time between two of its readings since "watch", ns: what stopped it, the machine or mapscope
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const unit = 1000000

type node struct {
	next *node
	item *uint64
	text [112]byte
}

type program struct {
	maps     []map[uint64]uint64
	lists    []*node
	pages    [][]byte
	universe uint64
	state    uint64
	moving   atomic.Bool
	moved    chan uint64
	watching atomic.Bool
	watched  chan time.Duration
}

func (p *program) draw() uint64 { // splitmix64
	p.state += 0x9e3779b97f4a7c15
	z := p.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func cpu() int64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}

// work is half lookups, a quarter inserts and a quarter deletes, of keys from a universe twice as large as a map's
// entries: sizes stay as they are.
func (p *program) work() int64 {
	began, found := cpu(), uint64(0)
	for i := 0; i < unit; i++ {
		r := p.draw()
		key, m := (r>>32)*p.universe>>32, p.maps[p.draw()%uint64(len(p.maps))]
		switch {
		case r&1 != 0:
			found += m[key]
		case r&2 != 0:
			m[key] = r | 1
		default:
			delete(m, key)
		}
	}
	if found == 0 {
		panic("nothing was ever found")
	}
	return cpu() - began
}

const madvCollapse = 25 // Linux 6.1

func collapse() (mib uint64) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(maps), "\n") {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x rw-p 00000000 00:00 0", &from, &to); n == 2 {
			syscall.Syscall(syscall.SYS_MADVISE, from, to-from, madvCollapse) // how far it came is told below
		}
	}
	all, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		panic(err)
	}
	_, after, _ := strings.Cut(string(all), "AnonHugePages:")
	fmt.Sscan(after, &mib)
	return mib >> 10
}

func (p *program) move(together uint64) {
	trades, n := uint64(0), uint64(len(p.maps))
	for p.moving.Load() {
		a, b := p.draw()%n, p.draw()%n
		p.maps[a], p.maps[b] = p.maps[b], p.maps[a]
		if trades++; together != 0 && trades%together == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	p.moved <- trades
}

func (p *program) watch() {
	runtime.LockOSThread()
	var worst time.Duration
	for last := time.Now(); p.watching.Load(); {
		now := time.Now()
		if d := now.Sub(last); d > worst {
			worst = d
		}
		last = now
	}
	p.watched <- worst
}

func wait(gate *sync.Mutex) {
	runtime.LockOSThread()
	syscall.Select(0, nil, nil, nil, nil) // a thread of its own, in the kernel, for ever
	gate.Lock()
}

func (p *program) fill(mib uint64) {
	var last *node
	for n := mib << 19 / 128; n > 0; n-- {
		last = &node{next: last}
		if n%1024 == 0 {
			p.lists = append(p.lists, last)
			last = nil
		}
	}
	for n := mib << 19 / 4096; n > 0; n-- {
		page := make([]byte, 4096)
		page[0] = 1 // resident
		p.pages = append(p.pages, page)
	}
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 40)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotarget:", err)
		os.Exit(2)
	}
	return n
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: gotarget MAPS ENTRIES MIB THREADS")
		os.Exit(2)
	}
	count, entries := number(os.Args[1]), number(os.Args[2])
	p := &program{universe: 2 * entries, watched: make(chan time.Duration), moved: make(chan uint64)}
	for ; count > 0; count-- {
		m := map[uint64]uint64{}
		for e := uint64(0); e < entries; e++ {
			m[p.draw()%p.universe] = 1
		}
		p.maps = append(p.maps, m)
	}
	p.fill(number(os.Args[3]))
	var gate sync.Mutex
	for n := number(os.Args[4]); n > 0; n-- {
		go wait(&gate)
	}
	runtime.GC()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, argument, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "work":
			fmt.Println(p.work())
		case "huge":
			fmt.Println(collapse())
		case "move":
			p.moving.Store(true)
			go p.move(number(argument))
			fmt.Println("moving")
		case "moved":
			p.moving.Store(false)
			fmt.Println(<-p.moved)
		case "watch":
			p.watching.Store(true)
			go p.watch()
			fmt.Println("watching")
		case "gap":
			p.watching.Store(false)
			fmt.Println((<-p.watched).Nanoseconds())
		}
	}
	runtime.KeepAlive(p)
}
