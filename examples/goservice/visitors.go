package main

import (
	"encoding/hex"
	"fmt"
)

// visitors is the set of the IDs of all who were here: 32 hexadecimal digits each.
//
// The usual advice for a map[string]bool is map[string]struct{}, for the byte that bool takes. Since Go 1.24 that gains
// nothing: the byte and its padding are replaced by padding alone. What gains is the key: 16 bytes in the slot itself
// in place of a pointer, a length, and 32 bytes elsewhere; and a map without pointers is nothing to the garbage
// collector.
type visitors interface {
	add(id string) error
	count() int
}

type setOfStrings map[string]bool

func (s setOfStrings) add(id string) error {
	if len(id) != 2*len(visitorID{}) {
		return fmt.Errorf("a visitor's ID has 32 hexadecimal digits, not %q", id)
	}
	s[id] = true
	return nil
}

func (s setOfStrings) count() int { return len(s) }

type visitorID [16]byte
type setOfIDs map[visitorID]struct{}

func (s setOfIDs) add(id string) error {
	var key visitorID
	if n, err := hex.Decode(key[:], []byte(id)); err != nil || n != len(key) {
		return fmt.Errorf("a visitor's ID has 32 hexadecimal digits, not %q", id)
	}
	s[key] = struct{}{}
	return nil
}

func (s setOfIDs) count() int { return len(s) }
