package main

// Maps in frames of goroutines that wait: some still needed there, some not.

import "fmt"

var (
	GForgotten []map[string]int // frames had them, and need them no more
	GNeeded    []map[string]int // frames need them later
	GCounted   int
)

//go:noinline
func count(m map[string]int) int { return len(m) }

// forgets has a map in its frame over calls, then waits: the word stays there, dead.
//
//go:noinline
func forgets(ready chan<- bool, i int) {
	m := words(i)
	note("forgotten by a frame", fmt.Sprintf("main.GForgotten[%d]", len(GForgotten)), true, m)
	GForgotten = append(GForgotten, m)
	GCounted += count(m)
	ready <- true
	<-held
}

//go:noinline
func needs(ready chan<- bool, i int) {
	m := words(i)
	note("needed by a frame", fmt.Sprintf("main.GNeeded[%d]", len(GNeeded)), true, m)
	GNeeded = append(GNeeded, m)
	ready <- true
	<-held
	GCounted += count(m)
}

// loses is all that ever had its map.  Without collections from then on the map stays where it is.
//
//go:noinline
func loses(ready chan<- string) {
	m := words(17)
	at := addressOf(m)
	GCounted += count(m)
	ready <- at
	<-held
}

//go:noinline
func keeps(ready chan<- string) {
	m := words(17)
	ready <- addressOf(m)
	<-held
	GCounted += count(m)
}

// A struct in a frame that a pointer in the frame leads to.
type framed struct {
	pad [3]int
	m   map[string]int
}

//go:noinline
func (f *framed) fill(i int) { f.m = words(i) }

//go:noinline
func keepsInside(ready chan<- string) {
	var f framed
	f.fill(17)
	p := &f
	ready <- addressOf(f.m)
	<-held
	p.fill(3)
	GCounted += count(p.m)
}

// A deferred call needs it.
//
//go:noinline
func keepsForLater(ready chan<- string) {
	m := words(17)
	for i := 0; i < 1+GCounted%1; i++ { // in a loop: with a record of its own, not compiled into the function's end
		defer func() { GCounted += count(m) + i }()
	}
	ready <- addressOf(m)
	<-held
}

func holdInFrames() {
	ready := make(chan bool)
	for i := 0; i < 5; i++ {
		go forgets(ready, i*10+4)
		<-ready
		go needs(ready, i*10+5)
		<-ready
	}
}

// frames starts goroutines that wait: addresses of maps that are needed, and of one that is not.
func frames() string {
	ready := make(chan string)
	text := "frames"
	for _, f := range []func(chan<- string){keeps, keepsInside, keepsForLater, loses} {
		go f(ready)
		text += " " + <-ready
	}
	return text
}
