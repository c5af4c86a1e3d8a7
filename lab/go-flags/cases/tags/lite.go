//go:build lite

package main

type record struct{ id int64 }
