// Package main gets the keys of a map in the way there is: by reflection.
package main

import "reflect"

func main() {
	m := map[string]int{"a": 1, "b": 2}
	if keys := reflect.ValueOf(m).MapKeys(); len(keys) != len(m) {
		panic("keys are missing")
	}
	println("ok")
}
