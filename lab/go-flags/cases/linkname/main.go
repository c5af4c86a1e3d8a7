// Package main asks the linker for runtime.MapKeys.
package main

import (
	"reflect"
	_ "unsafe"
)

//go:linkname mapKeys runtime.MapKeys
func mapKeys(m map[string]int) []string

func main() {
	println(len(mapKeys(map[string]int{"a": 1})), len(reflect.ValueOf(map[string]int{}).MapKeys()))
}
