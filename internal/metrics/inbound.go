package metrics

import "github.com/prometheus/client_golang/prometheus"

// inboundCounters count what other systems push.
type inboundCounters struct {
	saves, fetches, refused, unknown *prometheus.CounterVec
}

func newInboundCounters() inboundCounters {
	return inboundCounters{
		saves: newCounter(nameInSaves), fetches: newCounter(nameInFetches), refused: newCounter(nameInRefused), unknown: newCounter(nameInUnknown),
	}
}

// InboundOpened makes the counts of a connection that other systems push to, so that
// the first time of anything is an increase.
func (m *Metrics) InboundOpened(conn string, kinds, reasons []string) {
	for _, kind := range kinds {
		m.inbound.saves.WithLabelValues(conn, kind)
	}
	m.inbound.fetches.WithLabelValues(conn)
	m.inbound.unknown.WithLabelValues(conn)
	for _, reason := range reasons {
		m.inbound.refused.WithLabelValues(conn, reason)
		m.inbound.refused.WithLabelValues("", reason)
	}
}

// InboundSaved counts a record that was stored, and the values in it that nothing has
// asked for.
func (m *Metrics) InboundSaved(conn, kind string, unknown int) {
	m.inbound.saves.WithLabelValues(conn, kind).Inc()
	m.inbound.unknown.WithLabelValues(conn).Add(float64(unknown))
}

// InboundFetched counts a record that was answered.
func (m *Metrics) InboundFetched(conn string) { m.inbound.fetches.WithLabelValues(conn).Inc() }

// InboundRefused counts an answer that is an error. The connection is empty where
// nobody has proven to be its sender.
func (m *Metrics) InboundRefused(conn, reason string) {
	m.inbound.refused.WithLabelValues(conn, reason).Inc()
}
