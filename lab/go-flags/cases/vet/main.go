// Package main has a finding for vet, under a directive said to silence it.
package main

import "fmt"

//go:novet
func main() {
	fmt.Printf("%d\n", "no number")
}
