//go:build withcgo

package main

// #include <unistd.h>
// static void wait_for_ever(void) { for (;;) pause(); }
import "C"

import "runtime"

// A goroutine that waits in C: its stack pointer is where it left Go.
func holdInC() {
	m := words(23)
	note("goroutine in C", "goroutine ~ main.holdInC", false, m)
	ready := make(chan bool)
	go func() {
		ready <- true
		C.wait_for_ever()
		runtime.KeepAlive(m)
	}()
	<-ready
}
