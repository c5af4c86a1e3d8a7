// Goservice keeps the sessions of a web site, and has the map problems such services have. With -fixed it has not.
//
//	POST   /login?user=NAME&visitor=ID   a new session; the answer is its token
//	GET    /session/TOKEN                who that is
//	DELETE /session/TOKEN                logout
//	GET    /report?within=DURATION       users and visitors, if counted in time
//	POST   /rebuild                      copies the sessions into a new map
//	GET    /memory                       bytes of the heap in use, once garbage is collected
//
// problem                               where         what -fixed does
// the sessions of a burst are gone,
// their place in the map is not         sessions.go   a new map when most have gone
// a map for three attributes,
// one in each session                   attrs.go      a list
// a set of strings that all have the
// same form, as map[string]bool         visitors.go   keys of 16 bytes, and no value
// a goroutine that nobody waits for
// keeps its map                         report.go     it can end
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

type service struct {
	sessions *sessions
	visitors visitors
	fixed    bool
}

// site is the service; a global names its maps to whoever looks at the process.
var site *service

func newService(fixed bool) *service {
	s := &service{sessions: newSessions(fixed), visitors: setOfStrings{}, fixed: fixed}
	if fixed {
		s.visitors = setOfIDs{}
	}
	return s
}

var (
	errMethod = errors.New("no such method here")
	errToken  = errors.New("no session has this token")
)

// fail answers with an error, and tells whether there was one.
func fail(w http.ResponseWriter, code int, err error) bool {
	if err != nil {
		http.Error(w, err.Error(), code)
	}
	return err != nil
}

func wrongMethod(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return false
	}
	w.Header().Set("Allow", method)
	return fail(w, http.StatusMethodNotAllowed, errMethod)
}

func (s *service) login(w http.ResponseWriter, r *http.Request) {
	if wrongMethod(w, r, http.MethodPost) {
		return
	}
	query := r.URL.Query()
	token, err := s.sessions.login(query.Get("user"))
	if fail(w, http.StatusBadRequest, err) {
		return
	}
	if visitor := query.Get("visitor"); visitor != "" {
		s.sessions.Lock()
		err = s.visitors.add(visitor)
		s.sessions.Unlock()
		if fail(w, http.StatusBadRequest, err) {
			return
		}
	}
	fmt.Fprintln(w, token)
}

func (s *service) session(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.URL.Path, "/session/")
	switch r.Method {
	case http.MethodGet:
		who, ok := s.sessions.get(token)
		if !ok {
			fail(w, http.StatusNotFound, errToken)
			return
		}
		fmt.Fprintf(w, "%s since %s, in %s\n", who.user, who.started.Format(time.RFC3339), who.attrs.get("language"))
	case http.MethodDelete:
		if !s.sessions.logout(token) {
			fail(w, http.StatusNotFound, errToken)
			return
		}
		fmt.Fprintln(w, "bye")
	default:
		w.Header().Set("Allow", "GET, DELETE")
		fail(w, http.StatusMethodNotAllowed, errMethod)
	}
}

func (s *service) report(w http.ResponseWriter, r *http.Request) {
	within, err := time.ParseDuration(r.URL.Query().Get("within"))
	if fail(w, http.StatusBadRequest, err) {
		return
	}
	text, err := s.counted(within)
	if fail(w, http.StatusServiceUnavailable, err) {
		return
	}
	fmt.Fprintln(w, text)
}

func (s *service) rebuild(w http.ResponseWriter, r *http.Request) {
	if wrongMethod(w, r, http.MethodPost) {
		return
	}
	s.sessions.Lock()
	s.sessions.rebuild()
	s.sessions.Unlock()
	fmt.Fprintln(w, "rebuilt")
}

func (s *service) memory(w http.ResponseWriter, _ *http.Request) {
	debug.FreeOSMemory() // collects, too; what it returns is no longer resident
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintln(w, m.HeapAlloc)
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", s.login)
	mux.HandleFunc("/session/", s.session)
	mux.HandleFunc("/report", s.report)
	mux.HandleFunc("/rebuild", s.rebuild)
	mux.HandleFunc("/memory", s.memory)
	return mux
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("goservice: ")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; port 0: a free one")
	fixed := flag.Bool("fixed", false, "without the map problems")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unknown argument '%s'", flag.Arg(0))
	}
	socket, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	site = newService(*fixed)
	fmt.Println("listening on", socket.Addr())
	log.Fatal(http.Serve(socket, site.handler()))
}
