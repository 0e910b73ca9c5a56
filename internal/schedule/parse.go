package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// MinInterval and MaxInterval bound "every" schedules.
const (
	MinInterval = 10 * time.Second
	MaxInterval = 366 * 24 * time.Hour
)

// maxSpec bounds the text of a schedule in bytes.
const maxSpec = 256

// Error says why a text is no schedule and what to write instead.
type Error struct {
	// Problem is what is wrong, in words that go behind the quoted text.
	Problem string
	// Hint is what to write.
	Hint string
}

// Error returns the problem and the hint.
func (e *Error) Error() string { return e.Problem + " (" + e.Hint + ")" }

const (
	hintForms  = `write "manual", a cron line such as "0 6 * * *", or "every 15m"`
	hintFields = "the five fields are minute hour day month weekday, for example  30 6 * * 1-5"
	hintEvery  = `write a number with s, m or h, for example "every 15m" or "every 1h30m"`
	hintZone   = "remove it: a cron line is read in the time zone of its account"
)

// Parse reads "manual", a cron line of five fields or a word such as @daily,
// or "every" with a duration between [MinInterval] and [MaxInterval]. Cron
// lines are read in loc. Weekdays count from 0 or 7 (Sunday). A line that
// never fires is refused. Every error is an [*Error]; no input panics.
func Parse(spec string, loc *time.Location) (Schedule, error) {
	text := strings.TrimSpace(spec)
	if len(text) > maxSpec {
		return Schedule{}, &Error{fmt.Sprintf("is longer than %d bytes", maxSpec), hintForms}
	}
	if loc == nil {
		loc = time.UTC
	}
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case text == "manual":
		return Schedule{spec: text}, nil
	case text == "":
		return Schedule{}, &Error{"is empty", hintForms}
	case word == "every" || word == "@every":
		return parseEvery(text, strings.TrimSpace(rest), loc)
	case strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ="):
		return Schedule{}, &Error{"names a time zone", hintZone}
	}
	return parseCron(text, loc)
}

func parseEvery(spec, rest string, loc *time.Location) (Schedule, error) {
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil:
		return Schedule{}, &Error{"has no duration that can be read", hintEvery}
	case d < MinInterval:
		return Schedule{}, &Error{fmt.Sprintf("is shorter than %s", MinInterval), hintEvery}
	case d > MaxInterval:
		return Schedule{}, &Error{fmt.Sprintf("is longer than %s", MaxInterval), hintEvery}
	}
	return Schedule{spec: spec, every: d, loc: loc}, nil
}

// field matches one field of a cron line: names, numbers, ranges, steps and
// lists without an empty entry, which the library would read as "never".
var field = regexp.MustCompile(`^[0-9A-Za-z*?/-]+(,[0-9A-Za-z*?/-]+)*$`)

func parseCron(spec string, loc *time.Location) (Schedule, error) {
	line := spec
	if !strings.HasPrefix(spec, "@") {
		fields := strings.Fields(spec)
		if len(fields) != 5 {
			return Schedule{}, &Error{problemFields(len(fields)), hintFor(spec, len(fields))}
		}
		for i, f := range fields {
			if problem := checkField(i, f); problem != "" {
				return Schedule{}, &Error{problem, hintFields}
			}
		}
		fields[4] = sundays(fields[4])
		line = strings.Join(fields, " ")
	}
	spec5, err := parseLine(line)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{spec: spec, cron: spec5, loc: loc, everyHour: spec5.Hour&allHours == allHours}
	if _, ok := nextWall(spec5, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); !ok {
		return Schedule{}, &Error{"never fires: no month of any year has that day", "for the 1st of each month write  0 0 1 * *"}
	}
	return s, nil
}

// checkField says what is wrong with a field in the words of people; what it
// lets pass the library may still refuse.
func checkField(i int, text string) string {
	name := [...]string{"minute", "hour", "day", "month", "weekday"}[i]
	least, most := [...]int{0, 0, 1, 1, 0}[i], [...]int{59, 23, 31, 12, 7}[i]
	if !field.MatchString(text) {
		return fmt.Sprintf("has a %s that cannot be read", name)
	}
	for part := range strings.SplitSeq(text, ",") {
		values, _, _ := strings.Cut(part, "/")
		for value := range strings.SplitSeq(values, "-") {
			if n, err := strconv.Atoi(value); err == nil && (n < least || n > most) {
				return fmt.Sprintf("has the %s %d, which is not between %d and %d", name, n, least, most)
			}
		}
	}
	return ""
}

func problemFields(n int) string {
	if n == 1 {
		return "is not a schedule"
	}
	return fmt.Sprintf("has %d fields, not 5", n)
}

func hintFor(spec string, fields int) string {
	switch {
	case fields == 1:
		return hintForms
	case fields == 6:
		return "there is no field for seconds; " + hintFields
	case strings.HasPrefix(spec, "@"):
		return hintForms
	}
	return hintFields
}

// parseLine calls the library, which panics on some input.
func parseLine(line string) (spec *cron.SpecSchedule, err error) {
	defer func() {
		if recover() != nil {
			spec, err = nil, &Error{"cannot be read as a cron line", hintFields}
		}
	}()
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, perr := parser.Parse(line)
	if perr != nil && strings.HasPrefix(line, "@") {
		return nil, &Error{"is not a known word", "the words are @hourly, @daily, @weekly, @monthly and @yearly"}
	}
	if perr != nil {
		return nil, &Error{"cannot be read: " + perr.Error(), hintFields}
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, &Error{"cannot be read as a cron line", hintForms}
	}
	spec.Location = time.UTC
	return spec, nil
}

// sundays rewrites the weekdays so that Sunday, which people write as 0, 7 or
// sun, also ends a range: the library knows it only as the first day.
func sundays(list string) string {
	parts := strings.Split(list, ",")
	for i, part := range parts {
		parts[i] = sunday(part)
	}
	return strings.Join(parts, ",")
}

func sunday(part string) string {
	days, step, hasStep := strings.Cut(part, "/")
	from, to, isRange := strings.Cut(days, "-")
	if !isRange {
		if from == "7" {
			return "0"
		}
		return part
	}
	if from == "7" {
		from = "0"
	}
	first, known := weekday(from)
	if !known || first == 0 || (to != "7" && !strings.EqualFold(to, "sun")) {
		return rejoin(from, to, step, hasStep)
	}
	n, err := strconv.Atoi(step)
	if !hasStep {
		n, err = 1, nil
	}
	if err != nil || n < 1 {
		return rejoin(from, to, step, hasStep)
	}
	upToSaturday := rejoin(from, "6", step, hasStep)
	if (7-first)%n == 0 {
		return upToSaturday + ",0"
	}
	return upToSaturday
}

func rejoin(from, to, step string, hasStep bool) string {
	if hasStep {
		return from + "-" + to + "/" + step
	}
	return from + "-" + to
}

func weekday(s string) (int, bool) {
	for i, name := range [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if strings.EqualFold(s, name) || s == strconv.Itoa(i) {
			return i, true
		}
	}
	return 0, false
}
