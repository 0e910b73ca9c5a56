package metrics

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// scrapeLimit is how long a picture may take.
	scrapeLimit = 8 * time.Second
	// maxCodes bounds the causes that are told of one job, and otherCode are the
	// records of the rest.
	maxCodes  = 20
	otherCode = "other"
)

// scrape makes the gauges of a picture.
type scrape struct {
	picture func(ctx context.Context) (Picture, error)
	log     *slog.Logger
	descs   map[string]described
}

// described is a family as Prometheus's library knows it.
type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// pictured are the families that come from a picture.
func pictured() []string {
	return []string{
		nameLastDuration, nameLastState, nameLastSuccess, nameLastDelivered, nameLag, nameStale, namePaused, nameAgain, nameQuarantine,
		nameParked, nameParkedOldest, nameUnknown, nameUnknownOldest, nameAdapterUp, nameAdapterParked, nameRestarts, nameRequests,
		nameSessions, nameInWaiting, nameStore, nameDiskFree, nameDiskSize, nameScrapeOK,
	}
}

func describe() map[string]described {
	descs := map[string]described{}
	for _, name := range pictured() {
		f, kind := family(name), prometheus.GaugeValue
		if f.Type == counter {
			kind = prometheus.CounterValue
		}
		descs[name] = described{prometheus.NewDesc(f.Name, f.Help, f.Labels, nil), kind}
	}
	return descs
}

// Describe names what [scrape.Collect] makes.
func (s *scrape) Describe(to chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		to <- d.desc
	}
}

// Collect makes a picture and tells it.
func (s *scrape) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	tell := func(name string, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(s.descs[name].desc, s.descs[name].kind, v, labels...)
	}
	p, err := s.picture(ctx)
	if err != nil {
		s.log.Error("metrics of jobs, adapters and sessions cannot be told", "err", err)
		tell(nameScrapeOK, 0)
		return
	}
	tell(nameScrapeOK, 1)
	tell(nameStore, float64(p.StoreBytes))
	tell(nameDiskFree, float64(p.DiskFree))
	tell(nameDiskSize, float64(p.DiskSize))
	for state, n := range p.Sessions {
		tell(nameSessions, float64(n), state)
	}
	for ref, n := range p.Inbound {
		tell(nameInWaiting, float64(n), ref)
	}
	for _, job := range p.Jobs {
		job.tell(tell)
	}
	for _, a := range p.Adapters {
		tell(nameAdapterUp, bit(a.Running), a.Name)
		tell(nameAdapterParked, bit(a.Parked), a.Name)
		tell(nameRestarts, float64(a.Restarts), a.Name)
		for class, n := range a.Requests {
			tell(nameRequests, float64(n), a.Name, class)
		}
	}
}

// tell tells how a job stands.
func (j Job) tell(tell func(name string, v float64, labels ...string)) {
	tell(nameLag, j.Lag.Seconds(), j.Ref)
	tell(nameStale, bit(j.Stale), j.Ref)
	tell(namePaused, bit(j.Paused), j.Ref)
	tell(nameParked, float64(j.Parked), j.Ref)
	tell(nameUnknown, float64(j.Unknown), j.Ref)
	for name, at := range map[string]time.Time{
		nameLastSuccess: j.LastSuccess, nameLastDelivered: j.LastDelivered, nameAgain: j.Again,
		nameParkedOldest: j.OldestParked, nameUnknownOldest: j.OldestUnknown,
	} {
		if !at.IsZero() {
			tell(name, seconds(at), j.Ref)
		}
	}
	if j.LastState != "" {
		tell(nameLastDuration, j.LastDuration.Seconds(), j.Ref)
		for _, state := range []string{"ok", "partial", "failed", "blocked"} {
			tell(nameLastState, bit(state == j.LastState), j.Ref, state)
		}
	}
	for code, n := range bounded(j.Quarantine) {
		tell(nameQuarantine, float64(n), j.Ref, code)
	}
}

// bounded keeps the causes with the most records and adds the others up.
func bounded(counts map[string]int) map[string]int {
	if len(counts) <= maxCodes {
		return counts
	}
	codes := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	out := map[string]int{}
	for i, code := range codes {
		if i >= maxCodes {
			code = otherCode
		}
		out[code] += counts[codes[i]]
	}
	return out
}

func bit(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
