package club

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Control serves what a test in another process may ask and set; the package
// comment lists it. Whoever reaches it may do everything.
func (p *Platform) Control() http.Handler {
	mux := http.NewServeMux()
	show := func(pattern string, what func(r *http.Request) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { p.writeBytes(w, http.StatusOK, marshal(what(r))) })
	}
	show("GET /control/state", func(*http.Request) any { return p.State() })
	show("GET /control/creates", func(*http.Request) any { return p.Creates() })
	show("GET /control/duplicates", func(*http.Request) any { return p.Duplicates() })
	show("GET /control/faults", func(*http.Request) any { return p.settings() })
	show("GET /control/records", func(r *http.Request) any {
		out := []Record{}
		for _, k := range Kinds() {
			if only := r.URL.Query().Get("kind"); only == "" || only == string(k) {
				out = append(out, p.Records(k)...)
			}
		}
		return out
	})
	mux.HandleFunc("POST /control/faults", p.controlFaults)
	mux.HandleFunc("POST /control/records", p.controlRecords)
	mux.HandleFunc("POST /control/wait", func(w http.ResponseWriter, r *http.Request) {
		if p.Wait(r.Context()) == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return http.MaxBytesHandler(mux, maxControlBytes)
}

// maxControlBytes bounds the body of a request to the control API.
const maxControlBytes = 64 << 20

// controlSettings is the form of faults and lags in the control API.
type controlSettings struct {
	Faults   Plan    `json:"faults"`
	ExecLag  *string `json:"exec_lag,omitempty"`
	IndexLag *string `json:"index_lag,omitempty"`
}

func (p *Platform) settings() controlSettings {
	p.mu.Lock()
	defer p.mu.Unlock()
	execLag, indexLag := p.lags.exec.String(), p.lags.index.String()
	return controlSettings{Faults: p.plan.clone(), ExecLag: &execLag, IndexLag: &indexLag}
}

// controlFaults sets what is named; the rest stays.
func (p *Platform) controlFaults(w http.ResponseWriter, r *http.Request) {
	var set controlSettings
	if err := json.NewDecoder(r.Body).Decode(&set); err != nil {
		http.Error(w, `the body is no JSON such as {"faults": {"create": {"lose_answer": 0.25}}, "exec_lag": "100ms"}`, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	next := p.lags
	p.mu.Unlock()
	for _, lag := range []struct {
		text *string
		into *time.Duration
	}{{set.ExecLag, &next.exec}, {set.IndexLag, &next.index}} {
		if lag.text == nil {
			continue
		}
		d, err := time.ParseDuration(*lag.text)
		if err != nil || d < 0 {
			http.Error(w, "a lag is a duration such as 100ms", http.StatusBadRequest)
			return
		}
		*lag.into = d
	}
	if set.Faults != nil {
		if err := p.SetFaults(set.Faults); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	p.SetLags(next.exec, next.index)
	w.WriteHeader(http.StatusNoContent)
}

func (p *Platform) controlRecords(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the body cannot be read or is too large", http.StatusBadRequest)
		return
	}
	records, err := readRecords(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.Insert(records...)
	w.WriteHeader(http.StatusNoContent)
}

// readRecords reads one record or a list of them.
func readRecords(body []byte) ([]Record, error) {
	var records []Record
	if err := json.Unmarshal(body, &records); err != nil {
		var one Record
		if err := json.Unmarshal(body, &one); err != nil {
			return nil, fmt.Errorf("the body is neither a record nor a list of records: %w", err)
		}
		records = []Record{one}
	}
	for _, r := range records {
		if !slices.Contains(Kinds(), r.Kind) {
			return nil, fmt.Errorf("the kind %q of a record is none of %v", r.Kind, Kinds())
		}
	}
	return records, nil
}
