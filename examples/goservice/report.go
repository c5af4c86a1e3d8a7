package main

import (
	"errors"
	"fmt"
	"time"
)

var errLate = errors.New("not counted in time")

// counted says how many users there are, if that can be counted within so much time.
//
// Who waits may give up, and then nobody receives. Into a channel without room the goroutine cannot send:
// it waits for ever, and all it holds stays with it. Room for the one result lets it end.
func (s *service) counted(within time.Duration) (string, error) {
	room := 0
	if s.fixed {
		room = 1
	}
	result := make(chan map[string]int, room)
	go s.countUsers(result)
	select {
	case users := <-result:
		s.sessions.Lock()
		defer s.sessions.Unlock()
		return fmt.Sprintf("%d users, %d visitors", len(users), s.visitors.count()), nil
	case <-time.After(within):
		return "", errLate
	}
}

// countUsers sends the number of sessions of each user.
func (s *service) countUsers(result chan<- map[string]int) {
	users := map[string]int{}
	s.sessions.Lock()
	for _, who := range s.sessions.byToken {
		users[who.user]++
	}
	s.sessions.Unlock()
	result <- users
}
