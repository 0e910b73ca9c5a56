package connector_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("differs (-want +got):\n%s", diff)
	}
}

const pete = "first_name=Pete last_name=Prospect"

func TestASaveWaitsWithAllItsFields(t *testing.T) {
	w := newWorld(t, `,"custom":{"shoe_size":"extra/shoe"}`)
	got := w.saved(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + user(" 123 ", `
		<birthdate>1980-02-29</birthdate><gender>m</gender><address1>1 Main &amp; First</address1><address2/><city>Zürich</city>
		<zipcode>0123</zipcode><state>ZH</state><country>ch</country><mobile>+41 79</mobile><email><![CDATA[p@example.com]]></email>
		<homePhone>1</homePhone><workPhone>2</workPhone><company>X</company><owner>1111</owner><leadSource>2222</leadSource>
		<trialStartDate>2026-01-01</trialStartDate><trialEndDate>2026-01-08</trialEndDate><extra><shoe>44</shoe></extra>
		<unheardOf>1</unheardOf>`))
	if !strings.HasPrefix(got.header.Get("Content-Type"), "application/xml") || anyID(got.body) != `<?xml version="1.0" encoding="UTF-8"?>
<response xmlns="http://www.intouchfollowup.com/api/2011-11"><uuid>UUID</uuid></response>
` {
		t.Errorf("answer %v %s", got.header, got.body)
	}
	want(t, w.waits(sdk.KindProspect), "123@12 "+pete+" birthdate=1980-02-29 gender=M status=active type=prospect address1=1 Main & First"+
		" address2=null city=Zürich zip=0123 state=ZH country=CH mobile=+41 79 email=p@example.com home_phone=1 work_phone=2 company=X"+
		" owner=1111 lead_source=2222 trial_start=2026-01-01 trial_end=2026-01-08 shoe_size=44")
	want(t, w.woken, conn)
}

func TestJSONSavesWhatXMLSaves(t *testing.T) {
	w := newWorld(t, "")
	const person = `{"providerInfo":{"identifier":"CRM","clientID":456,"clubID":"13","recordID":7},
		"userInfo":{"firstname":"Pete","lastname":"Prospect","userStatus":"INACTIVE","userType":"EX_MEMBER","mobile":null,"tags":["a",{"b":1}]}}`
	got := w.post(userAt, person, "Content-Type", "application/json; charset=utf-8")
	if got.status != http.StatusOK || anyID(got.body) != `{"uuid":"UUID"}`+"\n" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	const source = `{"providerInfo":{"identifier":"CRM","clientID":"456","clubID":"12","recordID":"2222"},"leadInfo":{"name":"Newspaper","active":false}}`
	if got := w.post("/connector/api/2011-11/leadsource", source, "Content-Type", "application/json", "Accept", "application/xml"); got.status != 200 ||
		!strings.Contains(got.body, "<uuid>") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	want(t, w.waits(sdk.KindMember), "7@13 "+pete+" status=inactive type=ex_member mobile=null")
	want(t, w.waits(sdk.KindLeadSource), "2222@12 name=Newspaper active=0")
}

func TestStaffAreSavedByEitherCall(t *testing.T) {
	w := newWorld(t, `,"staff":"TEAM"`)
	body := strings.ReplaceAll(user("1111", "<email>jstaff@club.com</email><owner>5</owner>"), "<userType>PROSPECT</userType>", "")
	if got := w.post("/connector/api/2011-11/staff", strings.NewReplacer("<user>", "<staff>", "</user>", "</staff>").Replace(body)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.saved(strings.ReplaceAll(user("1112", ""), "PROSPECT<", "team<"))
	want(t, w.waits(sdk.KindStaff),
		"1111@12 "+pete+" status=active type=staff email=jstaff@club.com", "1112@12 "+pete+" status=active type=staff")
}

func TestARepeatedSaveChangesNothingButItsPlace(t *testing.T) {
	w := newWorld(t, "")
	first := w.saved(user("1", "<mobile>1</mobile>"))
	w.saved(user("2", ""))
	second := w.saved(user("1", "<mobile>1</mobile>"))
	converted := w.saved(strings.ReplaceAll(user("1", "<city>Rome</city>"), "PROSPECT<", "MEMBER<"))
	if first.body != second.body || first.body != converted.body || w.saved(user("2", "")).body == first.body {
		t.Errorf("answers %s, %s and %s", first.body, second.body, converted.body)
	}
	want(t, w.waits(sdk.KindProspect), "2@12 "+pete+" status=active type=prospect")
	want(t, w.waits(sdk.KindMember), "1@12 "+pete+" status=active type=member city=Rome mobile=1")
}

func TestIdsMayBeUniqueWithinAClubOnly(t *testing.T) {
	w := newWorld(t, `,"ids":"club"`)
	w.saved(user("1", "<owner>9</owner>"))
	w.saved(userOf("CRM", "456", "13", "1", ""))
	want(t, w.waits(sdk.KindProspect), "downtown/1@12 "+pete+" status=active type=prospect owner=downtown/9",
		"airport/1@13 "+pete+" status=active type=prospect")
	got := w.call(http.MethodGet, userAt+"?provider=CRM&client_id=456&club_id=12&recordID=1", "")
	if !strings.Contains(got.body, "<owner>9</owner>") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestSavesAtTheSameTimeAreAllKept(t *testing.T) {
	const callers, records = 8, 6
	w := newWorld(t, "")
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range records {
				if got := w.post(userAt, user(fmt.Sprint(caller, "-", i), "")); got.status != http.StatusOK {
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	wg.Wait()
	if n := len(w.waits(sdk.KindProspect)); n != callers*records {
		t.Errorf("%d records wait, want %d", n, callers*records)
	}
}

func TestAnAcknowledgedSaveOutlivesTheProcess(t *testing.T) {
	w := newWorld(t, "")
	first := w.saved(user("1", ""))
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	want(t, w.waits(sdk.KindProspect), "1@12 "+pete+" status=active type=prospect")
	if again := w.saved(user("1", "")); again.body != first.body {
		t.Errorf("answered %s and, by the next process, %s", first.body, again.body)
	}
}

func TestAFetchIsAnsweredFromWhatWaits(t *testing.T) {
	w := newWorld(t, "")
	w.saved(user("123", "<email>p@example.com</email><company>A &lt; B</company>"))
	const query = "?provider=CRM&client_id=456&club_id=12&recordID=123&other=1"
	got := w.call(http.MethodGet, userAt+query, "")
	const xml = `<?xml version="1.0" encoding="UTF-8"?>
<user xmlns="http://www.intouchfollowup.com/api/2011-11"><providerInfo><identifier>CRM</identifier><clientID>456</clientID><clubID>12</clubID>` +
		`<recordID>123</recordID></providerInfo><userInfo><firstname>Pete</firstname><lastname>Prospect</lastname><userStatus>ACTIVE</userStatus>` +
		`<userType>PROSPECT</userType><email>p@example.com</email><company>A &lt; B</company></userInfo></user>
`
	if got.status != 200 || got.body != xml || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = w.call(http.MethodGet, userAt+query, "", "Accept", "application/json")
	if want := `"userInfo":{"firstname":"Pete","lastname":"Prospect",`; got.status != 200 || !strings.Contains(got.body, want) {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, other := range []string{"club_id=13&recordID=123", "club_id=12&recordID=124"} {
		got = w.call(http.MethodGet, userAt+"?provider=CRM&client_id=456&"+other, "")
		if got.status != 404 || !strings.Contains(got.body, "<reason>NOT_FOUND</reason>") {
			t.Errorf("%s: %d %s", other, got.status, got.body)
		}
	}
	id := strings.TrimSuffix(strings.Split(w.saved(user("123", "")).body, "<uuid>")[1], "</uuid></response>\n")
	if got = w.call(http.MethodGet, userAt+"?provider=CRM&client_id=456&club_id=12&recordID="+id, ""); got.status != 404 {
		t.Errorf("the id of an answer was taken for an address: %d", got.status)
	}
}

func TestAFetchOfWhatWasReadIsAnsweredLive(t *testing.T) {
	w := newWorld(t, "")
	var fails error
	w.options.Live = func(_ context.Context, ref string, kinds []sdk.Kind, id string) (connector.Found, error) {
		if ref != conn || id == "gone" {
			return connector.Found{}, roster.ErrNotFound
		}
		fields := map[string]string{"first_name": "Pete", "home": "5", "postal_code": "99", "status": "inactive", "membership": "gold"}
		if kinds[0] == sdk.KindLeadSource {
			fields = map[string]string{"name": "Newspaper"}
		}
		return connector.Found{Kind: kinds[len(kinds)-1], Fields: fields}, fails
	}
	w.serve()
	get := func(what, rest string) string {
		got := w.call(http.MethodGet, "/connector/api/2011-11/"+what+"?provider=CRM&client_id=456&club_id=12&"+rest, "", "Accept", "application/json")
		return anyID(fmt.Sprint(got.status, " ", got.body))
	}
	const info = `200 {"providerInfo":{"identifier":"CRM","clientID":"456","clubID":"12","recordID":"1"},`
	want(t, []string{get("user", "recordID=1"), get("leadsource", "identifier=1"), get("user", "recordID=gone"), get("user", "")},
		info+`"userInfo":{"firstname":"Pete","userStatus":"INACTIVE","userType":"MEMBER","zipcode":"99","homePhone":"5"}}`+"\n",
		info+`"leadInfo":{"name":"Newspaper"}}`+"\n",
		`404 {"reason":"NOT_FOUND","errorUUID":"UUID","message":"there is no such record here"}`+"\n",
		`400 {"reason":"VALIDATION","errorUUID":"UUID","message":"recordID is missing"}`+"\n")
	fails = context.DeadlineExceeded
	if got := get("user", "recordID=1"); !strings.HasPrefix(got, `503 {"reason":"UNAVAILABLE"`) {
		t.Error(got)
	}
}

func TestWhatIsWrongIsNamedWithoutItsValue(t *testing.T) {
	w := newWorld(t, "")
	const canary = "canary-7"
	for body, message := range map[string]string{
		user("1", "<birthdate>canary-7</birthdate>"):                                         "userInfo/birthdate is no date of the form yyyy-mm-dd",
		user("1", "<birthdate>2026-02-30</birthdate>"):                                       "userInfo/birthdate is no date of the form yyyy-mm-dd",
		user("1", "<gender>canary-7</gender>"):                                               "userInfo/gender is neither M nor F",
		user("1", "<country>canary-7</country>"):                                             "userInfo/country is no country code of two letters",
		user("1", "<country>CAN</country>"):                                                  "userInfo/country is no country code of two letters",
		user("1", "<firstname>canary-7</firstname>"):                                         "userInfo/firstname is there twice",
		user("1", "<company>"+strings.Repeat("canary-7", 200)+"</company>"):                  "userInfo/company is longer than 1000 characters",
		user(strings.Repeat("canary-7", 40), ""):                                             "providerInfo/recordID is longer than 255 characters",
		user("", ""):                                                                         "providerInfo/recordID is missing",
		strings.ReplaceAll(user("1", ""), "Pete", " "):                                       "userInfo/firstname is missing",
		strings.ReplaceAll(user("1", ""), "<lastname>Prospect</lastname>", ""):               "userInfo/lastname is missing",
		strings.ReplaceAll(user("1", ""), "ACTIVE", canary):                                  "userInfo/userStatus is neither ACTIVE nor INACTIVE",
		strings.ReplaceAll(user("1", ""), "PROSPECT", canary):                                "userInfo/userType is none of PROSPECT, MEMBER, EX_MEMBER and STAFF",
		strings.NewReplacer("<user>", "<lead>", "</user>", "</lead>").Replace(user("1", "")): "its outermost element is not user",
	} {
		got := w.post(userAt, body)
		if got.status != 400 || !strings.Contains(got.body, "<reason>VALIDATION</reason>") || !strings.Contains(got.body, "<message>"+message+"</message>") {
			t.Errorf("want %q, got %d %s", message, got.status, got.body)
		}
		_, id, _ := strings.Cut(got.body, "<errorUUID>")
		if id, _, _ = strings.Cut(id, "<"); len(id) != 36 || !strings.Contains(w.log.String(), id) {
			t.Errorf("the log does not have the error %q", id)
		}
		if strings.Contains(got.body, canary) {
			t.Errorf("the answer shows a value: %s", got.body)
		}
	}
	if log := w.log.String(); strings.Contains(log, canary) || strings.Contains(log, secret) || strings.Contains(log, "Pete") {
		t.Errorf("the log shows a value:\n%s", log)
	}
	want(t, w.waits(sdk.KindProspect))
}

func TestAFullConnectionAsksForPatience(t *testing.T) {
	w := newWorld(t, "")
	w.options.MaxWaiting = 1
	w.serve()
	w.saved(user("1", ""))
	w.saved(user("1", ""))
	got := w.post(userAt, user("2", ""))
	if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "<reason>DATABASE</reason>") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestASaveOfAPersonWhoWasErasedIsGone(t *testing.T) {
	w := newWorld(t, "")
	w.saved(user("PP1", ""))
	mail := "<email>Pete@Example.com</email>"
	who := roster.Person{Account: "acme", Emails: []string{"pete@example.com"}, Subjects: []roster.Subject{{Connection: conn, Kind: sdk.KindProspect, ID: idOf(t, w)}}}
	if _, _, err := w.store.Erase(t.Context(), who, roster.Tombstone{ID: "t1"}, true); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"the record": user("PP1", ""), "another record with the address": user("PP2", mail)} {
		got := w.post(userAt, body)
		if got.status != http.StatusGone || !strings.Contains(got.body, "<reason>ERASED</reason>") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	w.saved(user("PP3", ""))
	if waiting := w.waits(sdk.KindProspect); len(waiting) != 1 || !strings.Contains(waiting[0], "PP3") {
		t.Errorf("waiting: %q", waiting)
	}
	if log := w.log.String(); strings.Contains(strings.ToLower(log), "pete") || strings.Contains(log, "PP1") {
		t.Errorf("the log names them: %s", log)
	}
}

// idOf is the id of the record that waits.
func idOf(t *testing.T, w *world) string {
	t.Helper()
	found, err := w.store.InboundAfter(t.Context(), conn, sdk.KindProspect, 0, 1)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found[0].ID
}
