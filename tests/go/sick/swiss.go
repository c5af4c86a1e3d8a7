//go:build goexperiment.swissmap || go1.26

package main

import "unsafe"

// crowded: a Swiss map has no overflow buckets.
func crowded(map[int64]int64) bool { return true }

// table tells where the one group, or the first table, is.
func table(m map[int64]int64) uintptr {
	header := *(**struct {
		used, seed uint64
		directory  *uintptr
		length     uint64
	})(unsafe.Pointer(&m))
	if header.length == 0 {
		return uintptr(unsafe.Pointer(header.directory))
	}
	return *header.directory
}
