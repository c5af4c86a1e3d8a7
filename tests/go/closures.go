//go:build go1.23

package main

// The debug information says what closures hold.
const runtimeTellsClosures = true
