// Package gokit is what the Go programs of the lab share, as measure.h is for those in C.
//
//	gokit.go    the way they end: one JSON document on stdout and code 0, or one line on stderr and code 1
//	measure.go  clocks, the heap, keys
//	headers.go  what lies behind a map variable, in both designs of Go's map
//
// It is built by every toolchain an experiment asks for, from Go 1.18 on, and needs nothing but the standard library: the
// go.mod of an experiment replaces its path by this folder.  It keeps no state.  What programs call while a clock runs
// is small enough to be inlined; what they call before and after is not, lest it change the code of the loop between.
package gokit

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// Fail ends the program with code 1 and a line on stderr.
func Fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// Must ends the program by Fail, saying what is wrong, unless ok.
func Must(ok bool, what string) {
	if !ok {
		Fail("%s", what)
	}
}

// Check ends the program by Fail, with the words of the error, unless there is none.
func Check(err error) {
	if err != nil {
		Fail("%s", err)
	}
}

// Number is a number from the command line, least or more; anything else ends the program.
func Number(text string, least int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		Fail("'%s' is no number from %d on", text, least)
	}
	return n
}

// Answer is what a program found, by name.
type Answer map[string]any

// Print writes the answer to stdout as one JSON document, and the version of Go beside it as "version".
//
//go:noinline
func (a Answer) Print() {
	a["version"] = runtime.Version()
	Print(a)
}

// Print writes any document to stdout as JSON, on one line.
func Print(document any) {
	Check(json.NewEncoder(os.Stdout).Encode(document))
}
