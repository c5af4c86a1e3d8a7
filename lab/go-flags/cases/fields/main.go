// Package main prints where the fields of structs lie, in the order they are declared; wide gaps would invite reordering.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"unsafe"
)

type mixed struct {
	a byte
	b int64
	c bool
	d int32
	e byte
	f string
	g byte
}

func main() {
	var x mixed
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"version": runtime.Version(),
		"size":    unsafe.Sizeof(x),
		"offsets": []uintptr{unsafe.Offsetof(x.a), unsafe.Offsetof(x.b), unsafe.Offsetof(x.c), unsafe.Offsetof(x.d),
			unsafe.Offsetof(x.e), unsafe.Offsetof(x.f), unsafe.Offsetof(x.g)},
	})
}
