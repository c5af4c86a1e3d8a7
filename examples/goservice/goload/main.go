// Goload is a busy hour of goservice: logins, a report nobody waits for, logouts.
//
//	goload [-logins N] [-stay N] ADDRESS
//
// Requests go in batches down a few connections (a pipeline), so that the hour takes seconds.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
)

const (
	connections = 4
	batch       = 64
)

// A lane is one connection.
type lane struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
}

func open(address string) (*lane, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &lane{conn, bufio.NewReader(conn), bufio.NewWriter(conn)}, nil
}

// send writes requests, each "METHOD PATH"; read hands over the answers.
func (l *lane) send(requests []string, read func(code int, body string)) error {
	for _, request := range requests {
		fmt.Fprintf(l.out, "%s HTTP/1.1\r\nHost: load\r\n\r\n", request)
	}
	if err := l.out.Flush(); err != nil {
		return err
	}
	for range requests {
		answer, err := http.ReadResponse(l.in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		answer.Body.Close()
		read(answer.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

// sendAll sends request(i) for i in [from, to) and wants a good answer to each.
func (l *lane) sendAll(from, to int, request func(i int) string, read func(i int, body string)) error {
	var bad error
	for from < to {
		var requests []string
		for i := from; i < to && i < from+batch; i++ {
			requests = append(requests, request(i))
		}
		i := from
		err := l.send(requests, func(code int, body string) {
			if code != http.StatusOK {
				bad = fmt.Errorf("%s: %d %s", requests[i-from], code, body)
			}
			read(i, body)
			i++
		})
		if err == nil {
			err = bad
		}
		if err != nil {
			return err
		}
		from = i
	}
	return nil
}

// everywhere runs work on every connection, each with its part of [from, to).
func everywhere(lanes []*lane, from, to int, work func(l *lane, from, to int) error) error {
	var all sync.WaitGroup
	errs := make(chan error, len(lanes))
	for i, l := range lanes {
		all.Add(1)
		go func(l *lane, from, to int) {
			defer all.Done()
			if err := work(l, from, to); err != nil {
				errs <- err
			}
		}(l, from+(to-from)*i/len(lanes), from+(to-from)*(i+1)/len(lanes))
	}
	all.Wait()
	close(errs)
	return <-errs
}

func run(address string, logins, stay int) error {
	var lanes []*lane
	for i := 0; i < connections; i++ {
		l, err := open(address)
		if err != nil {
			return err
		}
		defer l.conn.Close()
		lanes = append(lanes, l)
	}
	tokens := make([]string, logins)
	login := func(i int) string {
		// A visitor's ID looks random and is the same in each run: 64 bits of a multiplicative hash, twice.
		hash := uint64(i+1) * 0x9e3779b97f4a7c15
		return fmt.Sprintf("POST /login?user=user%07d&visitor=%016x%016x", i, hash, hash*hash)
	}
	err := everywhere(lanes, 0, logins, func(l *lane, from, to int) error {
		return l.sendAll(from, to, login, func(i int, token string) { tokens[i] = token })
	})
	if err != nil {
		return err
	}
	fmt.Println(logins, "logins")

	late := ""
	if err = lanes[0].send([]string{"GET /report?within=0s"}, func(_ int, body string) { late = body }); err != nil {
		return err
	}
	fmt.Println("report:", late)

	err = everywhere(lanes, stay, logins, func(l *lane, from, to int) error {
		return l.sendAll(from, to, func(i int) string { return "DELETE /session/" + tokens[i] }, func(int, string) {})
	})
	if err != nil {
		return err
	}
	fmt.Println(logins-stay, "logouts")
	return nil
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("goload: ")
	logins := flag.Int("logins", 120000, "sessions that begin")
	stay := flag.Int("stay", 10000, "sessions that do not end")
	flag.Parse()
	if flag.NArg() != 1 || *stay < 0 || *stay > *logins {
		log.Fatal("usage: goload [-logins N] [-stay N] ADDRESS")
	}
	if err := run(flag.Arg(0), *logins, *stay); err != nil {
		log.Fatal(err)
	}
}
