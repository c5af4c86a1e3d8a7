package main

import (
	"sync"
	"time"
)

// Maps that more than one thing holds, and one that holds much itself: for the tests of `holders`.

type page [4096]byte

var (
	GTwice, GTwiceToo map[string]int
	GDiamond          [2]*session // both the same
	GFramed           map[string]int
	GFramedTwice      map[string]int
	GJobs             *job
	GRetains          map[int]*page
	GKept             []*page // ten of the pages of GRetains
	GServer           *server
)

// MeasuredSync is the sync.Map of syncfill.  What it holds was there before it.
var (
	MeasuredSync sync.Map
	boxed        []any
)

func fillSync(n uint64) int64 {
	boxed = make([]any, n)
	for i := range boxed {
		boxed[i] = i
	}
	before := heap()
	for _, v := range boxed {
		MeasuredSync.Store(v, v)
	}
	return int64(heap() - before)
}

// A timer that many steps lead to, and the runtime's own list of timers in few.
type job struct {
	next  *job
	timer *time.Timer
}

type server struct {
	beside *page
	cache  sync.Map
}

// A struct of the frame with the map in it twice, and a pointer to the struct.
//
//go:noinline
func keeperOfTwo(ready chan<- bool, m map[string]int) {
	var two [2]map[string]int
	p := &two
	fillBoth(p, m)
	ready <- true
	<-held
	GCounted += len(p[0]) + len(p[1])
	fillBoth(p, nil)
}

//go:noinline
func fillBoth(p *[2]map[string]int, m map[string]int) { p[0], p[1] = m, m }

const retained, kept = 100, 10

//go:noinline
func keeper(ready chan<- bool, m map[string]int) {
	ready <- true
	<-held
	m["late"] = len(m)
}

func init() {
	GTwice = words(6)
	GTwiceToo = GTwice
	note("two globals", "main.GTwice", true, GTwice)
	s := newSession(12)
	GDiamond = [2]*session{s, s}
	noteSession("two words of one global", "main.GDiamond[~]", s)
	GFramed = words(7)
	note("global and frame", "main.GFramed", true, GFramed)
	ready := make(chan bool)
	go keeper(ready, GFramed)
	<-ready
	GFramedTwice = words(9)
	note("global and frame", "main.GFramedTwice", true, GFramedTwice)
	go keeperOfTwo(ready, GFramedTwice)
	<-ready
	late := words(5)
	GJobs = &job{timer: time.AfterFunc(1000*time.Hour, func() { late["x"]++ })}
	for i := 0; i < 6; i++ {
		GJobs = &job{next: GJobs}
	}
	note("timer far away", "main.GJobs", runtimeTellsClosures, late)
	GRetains = map[int]*page{}
	for i := 0; i < retained; i++ {
		GRetains[i] = new(page)
		if i < kept {
			GKept = append(GKept, GRetains[i])
		}
	}
	note("retains", "main.GRetains", true, GRetains)
	GServer = &server{beside: new(page)}
	for i := 0; i < 5; i++ {
		GServer.cache.Store(i, new(page))
	}
}
