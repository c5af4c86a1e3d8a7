// Package main has a map for a debugger to look at.
package main

import "os"

//go:noinline
func inspect(m map[uint64]uint64, word *uint64) uint64 { return m[1] + *word }

func main() {
	m := map[uint64]uint64{}
	word := uint64(0)
	for i := uint64(0); i < 5; i++ {
		m[i] = i * i
	}
	total := inspect(m, &word)
	word = total
	println(total, word)
	os.Exit(0)
}
