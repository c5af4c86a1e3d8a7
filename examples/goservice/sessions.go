package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

type session struct {
	user          string
	started, seen time.Time
	attrs         attrs
}

// sessions holds all of them by token.
//
// A Go map grows with its entries and never shrinks: delete empties a slot, and the slots stay. After a
// burst the map is as large as the burst was, for as long as the service runs.
type sessions struct {
	sync.Mutex
	byToken map[string]session
	peak    int // entries there have been since the map was made
	fixed   bool
}

const worthIt = 1024 // below this many slots no rebuild pays

func newSessions(fixed bool) *sessions {
	return &sessions{byToken: map[string]session{}, fixed: fixed}
}

func (s *sessions) login(user string) (string, error) {
	if user == "" {
		return "", errors.New("a session needs a user")
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	token := hex.EncodeToString(random[:])
	now := time.Now()
	s.Lock()
	defer s.Unlock()
	s.byToken[token] = session{user, now, now, newAttrs(s.fixed)}
	if len(s.byToken) > s.peak {
		s.peak = len(s.byToken)
	}
	return token, nil
}

func (s *sessions) get(token string) (session, bool) {
	s.Lock()
	defer s.Unlock()
	who, ok := s.byToken[token]
	if ok {
		who.seen = time.Now()
		s.byToken[token] = who
	}
	return who, ok
}

func (s *sessions) logout(token string) bool {
	s.Lock()
	defer s.Unlock()
	_, ok := s.byToken[token]
	delete(s.byToken, token)
	if s.fixed && s.peak > worthIt && len(s.byToken) < s.peak/8 {
		s.rebuild()
	}
	return ok
}

// rebuild copies what is there into a map of the right size. Everybody waits meanwhile; but a copy comes after at least
// seven times as many logouts as it copies sessions.
func (s *sessions) rebuild() {
	fresh := make(map[string]session, len(s.byToken))
	for token, who := range s.byToken {
		fresh[token] = who
	}
	s.byToken, s.peak = fresh, len(fresh)
}
