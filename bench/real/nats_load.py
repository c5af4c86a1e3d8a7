"""nats_load.py PORT CLIENTS EACH STAY: EACH subscriptions, to subjects of its own, from each client, and messages to them.
At the first line from standard input each client keeps only STAY of them, at the second nine of ten clients leave, at
the third the program ends. It speaks the text protocol of NATS and needs no library."""

import socket
import sys

port, clients, each, stay = map(int, sys.argv[1:5])


def said(sock):
    """Waits until the server has taken all that was sent."""
    sock.sendall(b"PING\r\n")
    got = b""
    while b"PONG" not in got:
        more = sock.recv(65536)
        if not more:
            sys.exit("the server closed a connection: %r" % got[-200:])
        got += more


def step(what):
    print(what, flush=True)
    sys.stdin.readline()


def subject(client, i):
    return b"device.%d.sensor.%d.state" % (client, i)


socks = []
for c in range(clients):
    socks.append(socket.create_connection(("127.0.0.1", port)))
    socks[c].sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
    socks[c].sendall(b"".join(b"SUB %s %d\r\n" % (subject(c, i), i + 1) for i in range(each)))
    said(socks[c])
for i in range(20000):
    socks[0].sendall(b"PUB %s 2\r\nok\r\n" % subject(i % clients, i // clients % each))
said(socks[0])
step("%d subscriptions" % (clients * each))
for sock in socks:
    sock.sendall(b"".join(b"UNSUB %d\r\n" % (i + 1) for i in range(stay, each)))
    said(sock)
step("%d left" % (clients * stay))
for sock in socks[clients // 10 :]:
    sock.close()
step("%d clients left" % (clients // 10))
