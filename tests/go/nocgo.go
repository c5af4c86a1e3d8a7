//go:build !withcgo

package main

func holdInC() {}
