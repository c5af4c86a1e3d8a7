//go:build !lite

package main

type record struct {
	id   int64
	name string
	rest [12]int64
}
