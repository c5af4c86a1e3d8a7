//go:build go1.19

package main

import "sync/atomic"

var GAtomicP atomic.Pointer[session]

func holdAtomicPointer() {
	swapped := newSession(41)
	GAtomicP.Store(swapped)
	noteSession("atomic.Pointer", "main.GAtomicP~", swapped)
}
