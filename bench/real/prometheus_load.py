"""prometheus_load.py PORT PODS STAY: a target to scrape, with 20 series for each of PODS pods, which are replaced by
others every 10 s. From the first line from standard input on there are STAY, and they stay; at the second the
program ends."""

import http.server
import sys
import threading
import time

port, pods, stay = map(int, sys.argv[1:4])
started = time.time()
alive = pods


class Target(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        generation = int(time.time() - started) // 10 if alive > stay else 0
        body = "".join(
            'app_metric_%d_total{pod="web-%d-%05d",namespace="default",code="200"} %d\n' % (m, generation, p, time.time())
            for p in range(alive)
            for m in range(20)
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Target)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("%d pods" % alive, flush=True)
sys.stdin.readline()
alive = stay
print("%d pods" % alive, flush=True)
sys.stdin.readline()
