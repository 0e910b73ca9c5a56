package schedule

import (
	"hash/fnv"
	"time"
)

// Job is a job with its schedules and the rules for what cannot be met.
type Job struct {
	// Ref is account/job.
	Ref      string
	Schedule Schedule
	// Sweep is the schedule of the full walks of a sync; its zero value for none.
	Sweep Schedule
	// SkipMissed leaves out the slots that were missed while no loop ran or the
	// job was paused; otherwise they become one run.
	SkipMissed bool
	// MaxAge is how late a slot may be taken; 0 for no limit.
	MaxAge time.Duration
	// QueueOne lets a slot that meets a run of the job wait for its end; otherwise
	// it is left out. A sweep always waits.
	QueueOne bool
	// Jitter bounds the time by which each slot of the job is put off.
	Jitter time.Duration
}

// Slot is a time at which a job is started.
type Slot struct {
	At time.Time
	// Sweep says that everything is walked.
	Sweep bool
}

// delay is the time by which the job's slots are put off. It depends on nothing
// but the job's name, so that two starts keep their distance.
func (j Job) delay() time.Duration {
	if j.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(j.Ref))
	return time.Duration(h.Sum64() % uint64(j.Jitter)).Truncate(time.Second)
}

// Upcoming returns the first n slots behind after, fewer if there are fewer. A
// sweep takes the place of a run that is due with it.
func (j Job) Upcoming(after time.Time, n int) []Slot {
	return j.merged(j.Schedule.begin(after, j.delay()), j.Sweep.begin(after, j.delay()), n)
}

// Next returns the first slot behind now, false if there is none. Last and swept
// are up to when the slots of the schedule and of the sweep are dealt with, zero
// where that is not known: "every 15m" counts from there.
func (j Job) Next(now, last, swept time.Time) (Slot, bool) {
	slots := j.merged(j.Schedule.latest(last, now, j.delay()), j.Sweep.latest(swept, now, j.delay()), 1)
	if len(slots) == 0 {
		return Slot{}, false
	}
	return slots[0], true
}

// merged walks along both schedules.
func (j Job) merged(runs, sweeps time.Time, n int) []Slot {
	var slots []Slot
	for len(slots) < n {
		run, isRun := j.Schedule.Next(runs)
		sweep, isSweep := j.Sweep.Next(sweeps)
		switch {
		case isSweep && (!isRun || !sweep.After(run)):
			slots = append(slots, Slot{At: sweep.Add(j.delay()), Sweep: true})
			sweeps = sweep
			if isRun && run.Equal(sweep) {
				runs = run
			}
		case isRun:
			slots = append(slots, Slot{At: run.Add(j.delay())})
			runs = run
		default:
			return slots
		}
	}
	return slots
}
