// Package main has two shapes of one struct, chosen when it is built.
package main

import (
	"fmt"
	"unsafe"
)

func main() {
	fmt.Println(unsafe.Sizeof(record{}), unsafe.Sizeof(struct {
		a int64
		b string
	}{}))
}
