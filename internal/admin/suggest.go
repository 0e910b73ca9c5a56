package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hbollon/go-edlib"
)

// maxSuggestions bounds the jobs that an answer names.
const maxSuggestions = 5

// longestRef bounds the bytes of a job's name that others are compared with.
const longestRef = 256

// unknownJob is the answer for a job that there is not, with those that may be
// meant.
func (a *API) unknownJob(ctx context.Context, job string, cause error) error {
	p, k := classify(nounJob, cause)
	p.complete(k).Detail = "there is no job " + job
	status, err := a.o.Installation.Status(ctx)
	if err != nil {
		return p // the answer is as true without suggestions
	}
	refs := make([]string, len(status.Jobs))
	for i, j := range status.Jobs {
		refs[i] = j.Ref
	}
	p.Suggestions = similar(job, refs)
	switch {
	case len(p.Suggestions) > 0:
		p.Hint = "did you mean " + strings.Join(p.Suggestions, " or ") + "?"
	case len(refs) == 0:
		p.Hint = "no job is configured; add one under accounts.ACCOUNT.jobs"
	default:
		p.Hint = "see the jobs with  rosterd status"
	}
	return p
}

// checkJob refuses the name of a job by which nothing was found, unless such a job is
// configured. What one has left that is no longer configured is found.
func (a *API) checkJob(ctx context.Context, job string, found int) error {
	if job == "" || found > 0 {
		return nil
	}
	status, err := a.o.Installation.Status(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(status.Jobs, func(j JobStatus) bool { return j.Ref == job }) {
		return nil
	}
	return a.unknownJob(ctx, job, &UnknownJobError{job})
}

// similar returns the names that somebody who wrote word may have meant, the
// nearest first.
func similar(word string, names []string) []string {
	if len(word) > longestRef {
		return nil
	}
	type near struct {
		name     string
		distance int
	}
	_, key, _ := strings.Cut(word, "/")
	var found []near
	for _, name := range names {
		d := edlib.OSADamerauLevenshteinDistance(strings.ToLower(word), strings.ToLower(name))
		_, sameKey, _ := strings.Cut(name, "/")
		if d <= 2+len(word)/5 || sameKey == key {
			found = append(found, near{name, d})
		}
	}
	slices.SortFunc(found, func(x, y near) int {
		return cmp.Or(cmp.Compare(x.distance, y.distance), cmp.Compare(x.name, y.name))
	})
	var out []string
	for _, n := range found[:min(len(found), maxSuggestions)] {
		out = append(out, n.name)
	}
	return out
}
