// hashes INPUTS OUTPUTS: hashes keys with the very function Go's maps use, one random seed for all.
//
// INPUTS is what hash_quality writes: before each key its length, four bytes.  OUTPUTS: a word of eight bytes for each.  The
// function is taken out of the descriptor of a map type (offset 72, in every version from 1.19 to today): that of
// map[uint64] if all keys have eight bytes, else that of map[string].
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"unsafe"
)

func hasher(m any) func(unsafe.Pointer, uintptr) uintptr {
	descriptor := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	return *(*func(unsafe.Pointer, uintptr) uintptr)(unsafe.Add(descriptor, 72))
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 3 {
		die(fmt.Errorf("usage: hashes INPUTS OUTPUTS"))
	}
	data, err := os.ReadFile(os.Args[1])
	die(err)
	var keys []string
	integers := true
	for len(data) > 0 {
		if len(data) < 4 {
			die(io.ErrUnexpectedEOF)
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(len(data)-4) < uint64(n) {
			die(io.ErrUnexpectedEOF)
		}
		keys = append(keys, string(data[4:4+n]))
		data = data[4+n:]
		integers = integers && n == 8
	}
	file, err := os.Create(os.Args[2])
	die(err)
	out := bufio.NewWriterSize(file, 1<<20)
	ofString, ofInteger := hasher(map[string]struct{}{}), hasher(map[uint64]struct{}{})
	seed := uintptr(rand.Uint32())
	word := make([]byte, 8)
	for i := range keys {
		var h uintptr
		if integers {
			k := binary.LittleEndian.Uint64([]byte(keys[i]))
			h = ofInteger(unsafe.Pointer(&k), seed)
		} else {
			h = ofString(unsafe.Pointer(&keys[i]), seed)
		}
		binary.LittleEndian.PutUint64(word, uint64(h))
		_, err = out.Write(word)
		die(err)
	}
	die(out.Flush())
	die(file.Close())
	die(json.NewEncoder(os.Stdout).Encode(map[string]any{"go": runtime.Version(), "keys": len(keys), "integers": integers}))
}
