//go:build !race

package main

const poolsKeep = true
