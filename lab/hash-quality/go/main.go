// hashes INPUTS OUTPUTS: hashes keys with the very function Go's maps use, one random seed for all.
//
// INPUTS is what hash_quality writes: before each key its length, four bytes.  OUTPUTS: a word of eight bytes for each.  The
// function is taken out of the descriptor of a map type: that of map[uint64] if all keys have eight bytes, else that of
// map[string].
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"unsafe"

	"gomap.invalid/lab/gokit"
)

func main() {
	gokit.Must(len(os.Args) == 3, "usage: hashes INPUTS OUTPUTS")
	data, err := os.ReadFile(os.Args[1])
	gokit.Check(err)
	var keys []string
	integers := true
	for len(data) > 0 {
		if len(data) < 4 {
			gokit.Check(io.ErrUnexpectedEOF)
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(len(data)-4) < uint64(n) {
			gokit.Check(io.ErrUnexpectedEOF)
		}
		keys = append(keys, string(data[4:4+n]))
		data = data[4+n:]
		integers = integers && n == 8
	}
	file, err := os.Create(os.Args[2])
	gokit.Check(err)
	out := bufio.NewWriterSize(file, 1<<20)
	ofString := *gokit.HashOf(reflect.TypeOf(map[string]struct{}{}))
	ofInteger := *gokit.HashOf(reflect.TypeOf(map[uint64]struct{}{}))
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
		gokit.Check(err)
	}
	gokit.Check(out.Flush())
	gokit.Check(file.Close())
	gokit.Answer{"keys": len(keys), "integers": integers}.Print()
}
