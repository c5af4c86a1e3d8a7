// Package main exports sizes of maps as a Prometheus gauge and looks at what a scrape gets and does.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	sizes := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "app_map_size", Help: "entries of a map"}, []string{"map_name"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(sizes)
	users := map[int]bool{1: true, 2: true, 3: true}
	sizes.WithLabelValues("users").Set(float64(len(users)))
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := httptest.NewServer(http.DefaultServeMux)
	defer server.Close()

	plain, _ := get(server.URL + "/metrics")
	_, scraped := get(server.URL + "/metrics?gc=true")
	_, profiled := get(server.URL + "/debug/pprof/heap?gc=1")
	line := ""
	for _, l := range strings.Split(plain, "\n") {
		if strings.HasPrefix(l, "app_map_size") {
			line = l
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"version": runtime.Version(), "line": line,
		"collections by metrics?gc=true": scraped, "collections by pprof/heap?gc=1": profiled})
}

// get fetches a page: its text, and how many forced collections ran meanwhile.
func get(url string) (string, uint32) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := http.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		fmt.Fprintln(os.Stderr, answer.Status, err)
		os.Exit(1)
	}
	runtime.ReadMemStats(&after)
	return string(text), after.NumForcedGC - before.NumForcedGC
}
