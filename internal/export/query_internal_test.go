package export

import (
	"net/url"
	"strconv"
	"testing"
)

// FuzzParseQuery compares with net/url: what is accepted is there exactly once
// and means the same.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"business_uid=b1&staff_uid=s1&page=1&per_page=100",
		"business_uid=b1&staff_uid=s1&page=-1",
		"business_uid=b%31&staff_uid=s1&page=%31&per_page=1000&session_id=x&&x",
		"business_uid=b1&staff_uid=s1&page=1&per_page=100&p%61ge=2",
		"business_uid=b+1&staff_uid=%00&page=+1&per_page=1e3",
		"page=0&per_page=0", "%zz=1", "=", "&&&&", ";",
		"business_uid=;&staff_uid=b;&page=1&per_page=1&a;b=2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, ok := parseQuery(raw)
		if !ok {
			return
		}
		values, _ := url.ParseQuery(raw) // what it drops is an unknown parameter
		want := map[string]string{"business_uid": q.business, "staff_uid": q.staff, "page": strconv.Itoa(q.page)}
		if q.perPage != 0 {
			want["per_page"] = strconv.Itoa(q.perPage)
		}
		for key, value := range want {
			if got := values[key]; len(got) != 1 || got[0] != value {
				t.Errorf("%q: %s is %q, and read as %q", raw, key, got, value)
			}
		}
		if q.page != endPage && (q.page < 1 || q.page > maxPage || q.perPage < 1) || q.perPage > maxPerPage {
			t.Errorf("%q: page %d of %d", raw, q.page, q.perPage)
		}
	})
}
