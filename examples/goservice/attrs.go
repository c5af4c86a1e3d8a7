package main

// attrs is what a session knows about its user's wishes: three things, as a rule.
//
// A map for three entries is a header and a whole group of eight slots, most of them empty, 336 bytes; a list
// with the same in it takes 96 and the 24 of the slice itself, and three names are quickly looked through.
type attrs interface {
	get(name string) string
}

type attrMap map[string]string

type attr struct{ name, value string }
type attrList []attr

func newAttrs(fixed bool) attrs {
	if fixed {
		return attrList{{"language", "en"}, {"theme", "dark"}, {"zone", "UTC"}}
	}
	return attrMap{"language": "en", "theme": "dark", "zone": "UTC"}
}

func (m attrMap) get(name string) string { return m[name] }

func (l attrList) get(name string) string {
	for _, a := range l {
		if a.name == name {
			return a.value
		}
	}
	return ""
}
