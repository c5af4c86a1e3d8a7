//go:build right

package main

import (
	"context"
	"runtime/trace"
)

func main() {
	ctx := context.Background()
	region := trace.StartRegion(ctx, "merge")
	trace.Log(ctx, "conflict", "k1: last")
	region.End()
	println("ok")
}
