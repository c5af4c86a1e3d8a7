//go:build go1.27

package main

// Map types say where keys and values lie by strides.
const strides = true
