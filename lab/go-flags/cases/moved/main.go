// Package main has locals and values of many sizes; the compiler's -m says which of them leave the stack.
package main

type big struct{ words [128]int64 } // 1024 bytes: a map holds it by pointer

var sink byte

func main() {
	m := map[int]big{}
	m[1] = big{} // 1024 bytes into a map
	sink = small(byte(len(m)))
	local129()
	local128k()
	localOver128k()
	local10m()
	localOver10m()
	new64k()
	newOver64k()
}

//go:noinline
func local129() { var x [129]byte; fill(x[:]) }

//go:noinline
func local128k() { var x [128 << 10]byte; fill(x[:]) }

//go:noinline
func localOver128k() { var x [128<<10 + 1]byte; fill(x[:]) }

//go:noinline
func local10m() { var x [10 << 20]byte; fill(x[:]) }

//go:noinline
func localOver10m() { var x [10<<20 + 1]byte; fill(x[:]) }

//go:noinline
func new64k() { x := new([64 << 10]byte); fill(x[:]) }

//go:noinline
func newOver64k() { x := new([64<<10 + 1]byte); fill(x[:]) }

func small(x byte) byte { return x + 1 } // can be inlined, unless -l forbids it

//go:noinline
func fill(x []byte) {
	for i := range x {
		x[i] = byte(i)
	}
	sink = x[len(x)-1]
}
