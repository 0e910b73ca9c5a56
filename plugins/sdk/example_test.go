package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// adapter describes the program.
func adapter() sdk.Adapter {
	return sdk.Adapter{
		Name:        "greenbook",
		Version:     "1.0.0",
		Description: "Reads members from a Greenbook server.",
		Settings: json.RawMessage(`{
			"type": "object", "additionalProperties": false, "required": ["url", "token"],
			"properties": {
				"url":   {"type": "string", "description": "Where the server answers, with https."},
				"token": {"type": "string", "writeOnly": true, "description": "A token that may read members."}
			}
		}`),
		Kinds:  []sdk.KindInfo{{Kind: sdk.KindMember, Fields: []string{"first_name", "email"}, Cursor: sdk.CursorWalk}},
		Opener: sdk.Open(open),
	}
}

// connection is one Greenbook server. Its methods are its abilities.
type connection struct{ http *httpx.Client }

// open reads the settings and calls nobody.
func open(_ context.Context, c sdk.Connection) (*connection, error) {
	var s struct{ URL, Token string }
	if err := json.Unmarshal(c.Settings, &s); err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, errors.New("the settings are not an object of url and token"))
	}
	client, err := httpx.New(httpx.Options{BaseURL: s.URL, Token: s.Token, UserAgent: "rosterd-greenbook/1.0.0", Rate: 5})
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, fmt.Errorf("settings url and token: %w", err))
	}
	return &connection{http: client}, nil
}

// Close is called when the connection is closed.
func (c *connection) Close() error {
	c.http.Close()
	return nil
}

// listing is a page as the server has it.
type listing struct {
	Members []struct {
		ID        string  `json:"id"`
		Club      string  `json:"club"`
		FirstName string  `json:"first_name"`
		Email     *string `json:"email"`
	} `json:"members"`
	Next string `json:"next"`
}

// Read implements [sdk.Source].
func (c *connection) Read(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error) {
	if req.Kind != sdk.KindMember {
		return sdk.NewPageBuilder(req.Kind, nil).Page(nil, true)
	}
	answer, err := c.http.Get(ctx, "/members", url.Values{"after": {string(req.After)}, "limit": {strconv.Itoa(req.Limit)}})
	var list listing
	switch {
	case err != nil:
		return nil, err // Get has classified it
	case answer.Status == http.StatusUnauthorized:
		return nil, sdk.Fail(sdk.CodeAuth, errors.New("Greenbook refuses the token: set a fresh one"))
	case !answer.OK():
		return nil, sdk.Retry(answer.RetryAfter, fmt.Errorf("Greenbook answered %d", answer.Status))
	case json.Unmarshal(answer.Body, &list) != nil:
		return nil, sdk.Fail(sdk.CodeData, errors.New("Greenbook's list of members is not JSON"))
	}
	b := sdk.NewPageBuilder(req.Kind, []string{"first_name", "email"})
	for i, m := range list.Members {
		if m.ID == "" {
			b.Reject(sdk.Rejected{Position: fmt.Sprint("member ", i+1, " of a page"), Reason: "it has no id"})
			continue
		}
		b.Add(m.ID, m.Club, "")
		b.String(m.FirstName)
		if m.Email == nil {
			b.Null()
		} else {
			b.String(*m.Email)
		}
	}
	return b.Page(sdk.Cursor(list.Next), list.Next == "")
}

// A whole adapter with the ability [sdk.Source]. Its main function is one
// call: serve.Main(adapter()).
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"members":[{"id":"7","club":"1","first_name":"Ann","email":null},{"first_name":"Bo"}]}`)
	}))
	defer server.Close()
	ctx := context.Background()
	conn, err := adapter().Opener.Open(ctx, sdk.Connection{Settings: fmt.Appendf(nil, `{"url":%q,"token":"t"}`, server.URL)})
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := conn.(sdk.Source).Read(ctx, sdk.ReadRequest{Kind: sdk.KindMember, Limit: 500})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sdk.AbilitiesOf(conn))
	fmt.Println(page.Rows, page.Row(0).ID(), string(page.Row(0).Cell(0).Bytes()), page.Done)
	fmt.Println(page.Rejected[0].Position, page.Rejected[0].Reason)
	// Output:
	// [source]
	// 1 7 Ann true
	// member 2 of a page it has no id
}
