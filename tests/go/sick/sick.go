// Sick has for each rule of `mapscope doctor` a map with the fault, Ill..., and one that looks as if, Well...
//
// Which rules find something depends on the kind of map that the program was built with: a Swiss map has no overflow
// buckets, a classic one no tombstones, and before 1.27 a slot has the same size with a bool and without.
//
// Then it answers commands, a line each:
//
//	grow N    N entries more into IllGrowing, and N more and N fewer in WellGrowing
//	flow      another goroutine does so without rest, from now on
//	room N    N entries more into Room; the answer is how often its table was replaced so far
//	huge N    N MiB of heap in huge pages, free: "true", or "false" where the kernel makes none
//	free N    N MiB of heap that are garbage at once, and given back to the system: "ok"
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const many = 100000

// Emptied, or full.
var (
	IllNeverShrunk  = emptied(many, many/10)
	WellNeverShrunk = emptied(many, many/2)

	IllNearEmptyGiant  = emptied(2*many, 10)
	WellNearEmptyGiant = emptied(2*many, 2*many)

	IllOversizedHint  = filled(make(map[int64]int64, many), many/100)
	WellOversizedHint = filled(make(map[int64]int64, many), many/2)
)

func filled(m map[int64]int64, n int64) map[int64]int64 {
	for k := int64(0); k < n; k++ {
		m[k] = k
	}
	return m
}

func emptied(n, left int64) map[int64]int64 {
	m := filled(map[int64]int64{}, n)
	for k := left; k < n; k++ {
		delete(m, k)
	}
	return m
}

// Deletes that leave tombstones, in a table that is nearly full; and the same map filled again after it was cleared.
var (
	IllTombstones  = thinned()
	WellTombstones = refilled()
)

func thinned() map[float64]float64 {
	const full = 54000
	m := make(map[float64]float64, 57000)
	for k := 0; k < full; k++ {
		m[float64(k)] = 1
	}
	for k := 0; k < full; k++ {
		if k%5 > 1 {
			delete(m, float64(k))
		}
	}
	return m
}

func refilled() map[float64]float64 {
	m := thinned()
	for k := range m {
		delete(m, k)
	}
	m = make(map[float64]float64, 57000)
	for k := 0; k < 27000; k++ {
		m[float64(k)] = 1
	}
	return m
}

// Keys that come and go leave overflow buckets with each bucket that was crowded once.
var (
	IllOverflow  = churned()
	WellOverflow = filled(map[int64]int64{}, 6400)
)

func churned() map[int64]int64 {
	const live, rounds = 6400, 400
	m := filled(map[int64]int64{}, live)
	for k := int64(0); k < live*rounds && !crowded(m); k++ {
		delete(m, k)
		m[k+live] = k
	}
	return m
}

// Types: few of them, and the same ones by the thousand.
var (
	IllPadding  = small(many / 5)
	WellPadding = small(100)
	IllSet      = flags(true)
	WellSet     = flags(false) // says more than what is in it
)

func small(n int64) map[int64]int8 {
	m := map[int64]int8{}
	for k := int64(0); k < n; k++ {
		m[k] = 1
	}
	return m
}

func flags(odd bool) map[int64]bool {
	m := map[int64]bool{}
	for k := int64(0); k < many/5; k++ {
		m[k] = odd || k%100 != 7
	}
	return m
}

// Alike: one far larger than the others; and half of them.
type (
	IllRoom  struct{ members map[int64]int64 }
	WellRoom struct{ members map[int64]int64 }
)

var (
	rooms []*IllRoom
	halls []*WellRoom
)

func build() {
	for i := 0; i < 40; i++ {
		room, hall := int64(20), int64(20)
		if i == 7 {
			room = many / 5
		}
		if i%2 == 0 {
			hall = many / 5
		}
		rooms = append(rooms, &IllRoom{filled(map[int64]int64{}, room)})
		halls = append(halls, &WellRoom{filled(map[int64]int64{}, hall)})
	}
}

// Maps of goroutines that wait: for a channel that nobody else has, and for one that somebody has.
var stop = make(chan map[int64]int64)

func illLeak(to chan<- map[int64]int64) { to <- filled(map[int64]int64{}, many/5) }

func wellLeak() {
	m := filled(map[int64]int64{}, many/5)
	stop <- m
}

// Maps that only a timer knows: one that fires in weeks, and one that fires soon.
func illTimer() {
	m := filled(map[int64]int64{}, 3*many/10)
	time.AfterFunc(1000*time.Hour, func() { fmt.Println(len(m)) })
}

func wellTimer() {
	m := filled(map[int64]int64{}, 3*many/10)
	time.AfterFunc(5*time.Minute, func() { fmt.Println(len(m)) })
}

// Maps that only a closure knows, in a list of such; and one that is somewhere else, too.
var (
	callbacks    []func() int
	WellCaptured = filled(map[int64]int64{}, 3*many/10)
)

func illCapture() {
	m := filled(map[int64]int64{}, 3*many/10)
	callbacks = append(callbacks, func() int { return len(m) })
}

func wellCapture() {
	m := WellCaptured
	callbacks = append(callbacks, func() int { return len(m) })
}

// Many maps for one entry each, and as many that are larger.
type (
	IllTiny  struct{ tags map[int64]int64 }
	WellTiny struct{ tags map[int64]int64 }
)

var (
	flats  []*IllTiny
	houses []*WellTiny
)

func buildTiny() {
	for i := int64(0); i < 2000; i++ {
		flats = append(flats, &IllTiny{filled(map[int64]int64{}, i%2)})
		houses = append(houses, &WellTiny{filled(map[int64]int64{}, 6)})
	}
}

// apart runs f on a stack that is gone afterwards, with the dead words that it left there.
func apart(f func()) {
	done := make(chan bool)
	go func() {
		f()
		done <- true
	}()
	<-done
}

// Numbers that happen to be the address of a channel lead to nothing, in a segment and in an object whose type tells.
type numbers struct {
	next *numbers
	n    [100]uintptr
}

var (
	alikeInSegment numbers
	alikeInHeap    *numbers
)

func leak() {
	forgotten := make(chan map[int64]int64)
	alikeInHeap = new(numbers)
	alikeInHeap.n[7] = uintptr(*(*unsafe.Pointer)(unsafe.Pointer(&forgotten)))
	alikeInSegment.n[7] = alikeInHeap.n[7]
	go illLeak(forgotten)
	go wellLeak()
}

// Grow, and the same with as many leaving.
var (
	IllGrowing  = map[int64]int64{}
	WellGrowing = map[int64]int64{}
	grown       int64
)

func grow(n int64) {
	for k := grown; k < grown+n; k++ {
		IllGrowing[k] = k
		WellGrowing[k] = k
		delete(WellGrowing, k-n)
	}
	grown += n
}

func flow() {
	for ; ; time.Sleep(time.Millisecond) {
		grow(20)
	}
}

// Room is filled to see what its growth does.
var (
	Room     = map[int64]int64{}
	replaced int
)

func fillRoom(n int64) {
	for ; n > 0; n-- {
		before := table(Room)
		Room[int64(len(Room))] = 1
		if table(Room) != before {
			replaced++
		}
	}
}

func giveBack(mib int) {
	garbage := make([][]byte, mib)
	for i := range garbage {
		garbage[i] = make([]byte, 1<<20)
		for k := 0; k < 1<<20; k += 4096 {
			garbage[i][k] = 1
		}
	}
	runtime.KeepAlive(garbage)
	garbage = nil
	debug.FreeOSMemory()
}

// makeHuge lets the kernel put N MiB into huge pages, as khugepaged does in the course of time, and has them freed; what is
// free stays with the process then, until the runtime gives it back, which it does not do here.
func makeHuge(mib int) bool {
	const hugePage, collapse = 2 << 20, 25 // MADV_COLLAPSE, Linux 6.1
	debug.SetGCPercent(-1)
	block := make([]byte, mib<<20)
	at := hugePage - int(uintptr(unsafe.Pointer(&block[0]))%hugePage)
	for i := range block {
		block[i] = 1
	}
	if mib > 4 && syscall.Madvise(block[at:at+(mib-4)<<20], collapse) != nil {
		return false
	}
	block = nil
	runtime.GC()
	return true
}

func main() {
	build()
	buildTiny()
	apart(leak)
	for stacks := make([]byte, 1<<16); ; time.Sleep(time.Millisecond) { // until both wait
		if strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "[chan send") == 2 {
			break
		}
	}
	apart(func() { illCapture(); wellCapture(); illTimer(); wellTimer() }) // last: no stack is made any more that could be where this one was
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var n int64
		word, _, _ := strings.Cut(in.Text(), " ")
		fmt.Sscanf(in.Text(), word+" %d", &n)
		switch word {
		case "grow":
			grow(n)
			fmt.Println("ok")
		case "flow":
			go flow()
			fmt.Println("ok")
		case "room":
			fillRoom(n)
			fmt.Println(replaced)
		case "free":
			giveBack(int(n))
			fmt.Println("ok")
		case "huge":
			fmt.Println(makeHuge(int(n)))
		default:
			fmt.Println("no such command")
		}
	}
}
