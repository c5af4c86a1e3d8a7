// Package stores has one statement a function, for the compiler to explain: what escapes (-gcflags=-m), and which
// function of the runtime an assignment calls (-gcflags=-S).
package stores

type user struct {
	ID   int64
	Name string
}

type (
	value24  [3]int64
	value32  [4]int64
	value128 [16]int64
	value136 [17]int64
	value512 [64]int64
)

func storeUser(m map[string]user, id int64, name string) {
	u := user{id, name}
	m["key"] = u
}

func storeBig(m map[string]value512) {
	var v value512
	v[0] = 1
	m["key"] = v
}

// What does escape: the struct itself is shared.
func storePointer(m map[string]*user, id int64, name string) {
	u := user{id, name}
	m["key"] = &u
}

func assign24(m map[uint64]value24, k uint64)   { m[k] = value24{1} }
func assign32(m map[uint64]value32, k uint64)   { m[k] = value32{1} }
func assign128(m map[uint64]value128, k uint64) { m[k] = value128{1} }
func assign136(m map[uint64]value136, k uint64) { m[k] = value136{1} }
func assign512(m map[uint64]value512, k uint64) { m[k] = value512{1} }
