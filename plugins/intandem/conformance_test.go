package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// states are what the vendor can be made to do beside answering.
type states struct {
	mu                  sync.Mutex
	fault, refuse, lose bool
	hang                chan struct{}
	announced           int
}

func (s *states) set(change func(on bool)) func() func() {
	with := func(on bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		change(on)
	}
	return func() func() {
		with(true)
		return func() { with(false) }
	}
}

func (s *states) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault, refuse, lose, hang := s.fault, s.refuse, s.lose, s.hang
	if r.Method == http.MethodPost {
		s.announced++
	}
	s.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}
	switch {
	case fault:
		answers(http.StatusInternalServerError, "application/json", `{"success":false}`)(w, r)
	case r.Method == http.MethodPost && lose:
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodPost && refuse:
		answers(http.StatusUnauthorized, "application/json", `{"error":"Unauthorized"}`)(w, r)
	case r.Method == http.MethodPost:
		answers(http.StatusCreated, "application/json", `{"success":true,"data":{"session_id":"s1"}}`)(w, r)
	default:
		answers(http.StatusOK, "application/json", `{"success":true,"data":{"fields":[
			{"id":1,"label":"First name","type":"first_name","object_type":"client"},
			{"id":2,"label":"Shoe size","type":"text","object_type":"client"}]}}`)(w, r)
	}
}

func TestConformance(t *testing.T) {
	s := &states{}
	settings, err := json.Marshal(map[string]string{
		"business_uid": "b1", "app_code_name": "acmeimport", "token": testToken, "api_url": newVendor(t, s.ServeHTTP).URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	sdktest.Run(t, sdktest.Case{
		Adapter:    adapter(),
		Connection: sdk.Connection{Name: "acme/intandem", Settings: settings},
		BadSettings: []json.RawMessage{
			json.RawMessage(`{"business_uid":"b1","app_code_name":"a/../b","token":"t"}`),
			json.RawMessage(`{"business_uid":"b1","app_code_name":"a","token":"t","api_url":"http://example.com"}`),
		},
		Fault: s.set(func(on bool) { s.fault = on }),
		Hang: s.set(func(on bool) {
			if on {
				s.hang = make(chan struct{})
				return
			}
			close(s.hang)
			s.hang = nil
		}),
		Import: &sdktest.Import{
			Request: sdk.StartImportRequest{Fields: []sdk.ImportField{{Key: "first_name", Label: "First name"}}, Upload: "single"},
			Sent: func() int {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.announced
			},
			Refuse: s.set(func(on bool) { s.refuse = on }),
			Lose:   s.set(func(on bool) { s.lose = on }),
		},
	})
}
