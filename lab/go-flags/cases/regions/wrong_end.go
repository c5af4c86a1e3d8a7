//go:build wrongend

package main

import (
	"context"
	"runtime/trace"
)

func main() {
	trace.EndRegion(context.Background(), "merge")
}
