// Package main lays one slice over the keys and the values that follow them, as over a bucket.
package main

import (
	"encoding/json"
	"os"
	"unsafe"
)

type bucket struct {
	tophash [8]uint8
	keys    [8]uint64
	elems   [8]uint64
}

func main() {
	b := new(bucket)
	for i := range b.keys {
		b.keys[i], b.elems[i] = uint64(i), uint64(100+i)
	}
	all := unsafe.Slice(&b.keys[0], 16) // "keys and values"
	json.NewEncoder(os.Stdout).Encode(all[:16])
}
