// Package main defines a function under the name of the runtime's.
package main

import "unsafe"

//go:linkname assign runtime.mapassign
func assign(t, m, key unsafe.Pointer) unsafe.Pointer {
	println("hooked")
	return nil
}

func main() {
	m := map[[3]int]int{}
	m[[3]int{1}] = 1
	println(len(m))
}
