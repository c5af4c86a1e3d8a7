//go:build !goexperiment.swissmap && !go1.26

package main

import "unsafe"

// header is the beginning of runtime.hmap.
type header struct {
	count     int
	flags, b  uint8
	noverflow uint16
	hash0     uint32
	buckets   uintptr
}

func headerOf(m map[int64]int64) *header { return *(**header)(unsafe.Pointer(&m)) }

// crowded tells whether there are six tenths as many overflow buckets as buckets.
func crowded(m map[int64]int64) bool {
	h := headerOf(m)
	return int(h.noverflow)*10 > 6<<h.b
}

// table tells where the buckets are.
func table(m map[int64]int64) uintptr { return headerOf(m).buckets }
