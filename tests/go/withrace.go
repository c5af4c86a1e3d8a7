//go:build race

package main

// A pool loses what it is given now and then, to bring races to light.
const poolsKeep = false
