package main

// Maps that are dead, though their addresses stand in words of live objects: words that are no pointers, as the
// collector knows, and whoever takes every word for one does not.

import (
	"fmt"
	"reflect"
)

const deadEntries = 29

type concealed struct {
	next *concealed
	word [100]uintptr
	last *concealed
}

type concealedWide struct {
	next *concealed
	word [3000]uintptr
}

var (
	GConcealed     *concealed
	GConcealedWide *concealedWide
	GNeighbours    []map[string]int // keep the memory around dead maps in use
)

//go:noinline
func lose() uintptr {
	m := map[string]int{}
	for k := 0; k < deadEntries; k++ {
		m[fmt.Sprint(k)] = k
	}
	alive := map[string]int{}
	note("slice", fmt.Sprintf("main.GNeighbours[%d]", len(GNeighbours)), true, alive)
	GNeighbours = append(GNeighbours, alive)
	return reflect.ValueOf(m).Pointer()
}

// Many: what is allocated later takes the memory of some.
func holdNothing() {
	GConcealed, GConcealedWide = &concealed{last: &concealed{}}, &concealedWide{next: &concealed{}}
	for i := range GConcealedWide.word {
		if i%16 == 1 {
			GConcealedWide.word[i] = lose()
		}
	}
	for i := range GConcealed.word {
		GConcealed.word[i] = lose()
	}
}

// dead tells the addresses of those maps.
func dead() string {
	text := fmt.Sprint("dead ", deadEntries)
	for _, words := range [][]uintptr{GConcealed.word[:], GConcealedWide.word[:]} {
		for _, at := range words {
			if at != 0 {
				text += fmt.Sprintf(" %x", at)
			}
		}
	}
	return text
}
