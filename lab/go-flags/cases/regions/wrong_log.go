//go:build wronglog

package main

import (
	"context"
	"runtime/trace"
)

func main() {
	trace.Log(context.Background(), "conflict", "key", "k1", "resolver", "last")
}
