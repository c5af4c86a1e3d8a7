// Etcd_load ADDRESS N STAY: N leases with a key each and a watcher on each key; at the first line from standard
// input all but STAY of them end, at the second the program does.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const clients = 64

// each calls f for every i of [from, to), from several goroutines at once.
func each(from, to int, f func(i int) error) {
	var all sync.WaitGroup
	for c := 0; c < clients; c++ {
		all.Add(1)
		go func(c int) {
			defer all.Done()
			for i := from + c; i < to; i += clients {
				if err := f(i); err != nil {
					log.Fatal(err)
				}
			}
		}(c)
	}
	all.Wait()
}

func key(i int) string { return fmt.Sprintf("/registry/pods/default/pod-%06d", i) }

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: etcd_load ADDRESS N STAY")
	}
	n, _ := strconv.Atoi(os.Args[2])
	stay, _ := strconv.Atoi(os.Args[3])
	cli, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, DialTimeout: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	leases := make([]clientv3.LeaseID, n)
	stop := make([]context.CancelFunc, n)
	each(0, n, func(i int) error {
		l, err := cli.Grant(ctx, 3600)
		if err != nil {
			return err
		}
		leases[i] = l.ID
		if _, err = cli.Put(ctx, key(i), "running", clientv3.WithLease(l.ID)); err != nil {
			return err
		}
		c, cancel := context.WithCancel(ctx)
		stop[i] = cancel
		cli.Watch(c, key(i), clientv3.WithCreatedNotify())
		return nil
	})
	fmt.Println(n, "leases, keys, watchers")
	lines := bufio.NewScanner(os.Stdin)
	lines.Scan()
	each(stay, n, func(i int) error {
		stop[i]()
		_, err := cli.Revoke(ctx, leases[i])
		return err
	})
	fmt.Println(n-stay, "revoked")
	lines.Scan()
}
