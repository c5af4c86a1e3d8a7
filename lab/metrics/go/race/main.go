// Package main reads the length of a map while it is written, as an exporter without a lock does.
package main

import "sync"

func main() {
	m := map[int]int{}
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		for i := 0; i < 1000; i++ {
			m[i] = i
		}
	}()
	total := 0
	for i := 0; i < 1000; i++ {
		total += len(m)
	}
	done.Wait()
	println(total >= 0)
}
