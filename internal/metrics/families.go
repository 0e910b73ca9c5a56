package metrics

import "slices"

// Family is a metric of the daemon's own.
type Family struct {
	Name string
	// Type is counter, gauge or histogram.
	Type   string
	Labels []string
	Help   string
}

// The types of families.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// The names of the families.
const (
	nameBuild         = "rosterd_build_info"
	nameConfigOK      = "rosterd_config_last_reload_success"
	nameConfigAt      = "rosterd_config_last_reload_timestamp_seconds"
	nameRuns          = "rosterd_runs_total"
	nameDuration      = "rosterd_run_duration_seconds"
	nameRecords       = "rosterd_records_total"
	nameLastDuration  = "rosterd_run_last_duration_seconds"
	nameLastState     = "rosterd_run_last_state"
	nameLastSuccess   = "rosterd_run_last_success_timestamp_seconds"
	nameLastDelivered = "rosterd_run_last_delivered_timestamp_seconds"
	nameLag           = "rosterd_schedule_lag_seconds"
	nameStale         = "rosterd_job_stale"
	namePaused        = "rosterd_job_paused"
	nameAgain         = "rosterd_job_quota_reset_timestamp_seconds"
	nameQuarantine    = "rosterd_quarantine_records"
	nameParked        = "rosterd_parked_creates"
	nameParkedOldest  = "rosterd_parked_oldest_timestamp_seconds"
	nameUnknown       = "rosterd_unknown_creates"
	nameUnknownOldest = "rosterd_unknown_oldest_timestamp_seconds"
	nameAdapterUp     = "rosterd_adapter_running"
	nameAdapterParked = "rosterd_adapter_parked"
	nameRestarts      = "rosterd_adapter_restarts_total"
	nameRequests      = "rosterd_adapter_requests_total"
	nameMap           = "rosterd_map_duration_seconds"
	nameSessions      = "rosterd_sessions"
	nameExport        = "rosterd_export_requests_total"
	nameInSaves       = "rosterd_inbound_saves_total"
	nameInFetches     = "rosterd_inbound_fetches_total"
	nameInRefused     = "rosterd_inbound_refused_total"
	nameInUnknown     = "rosterd_inbound_unknown_values_total"
	nameInWaiting     = "rosterd_inbound_waiting_records"
	nameAlerts        = "rosterd_alert_messages_total"
	nameStore         = "rosterd_store_bytes"
	nameDiskFree      = "rosterd_disk_free_bytes"
	nameDiskSize      = "rosterd_disk_size_bytes"
	nameScrapeOK      = "rosterd_scrape_success"
)

// Families returns the metrics of the daemon's own, in the order of their names.
// Those of the process and of Go are beside them.
func Families() []Family {
	job, connection := []string{"job"}, []string{"connection"}
	list := []Family{
		{nameBuild, gauge, []string{"version", "revision", "go_version"}, "What is running; always 1."},
		{nameConfigOK, gauge, nil, "Whether the configuration was taken when it was last read (1) or refused (0)."},
		{nameConfigAt, gauge, nil, "When a configuration was last taken."},
		{nameRuns, counter, []string{"job", "type", "state"}, "Runs that have ended, by how."},
		{nameDuration, histogram, []string{"type"}, "How long runs took from their begin to their end."},
		{nameRecords, counter, []string{"job", "outcome"}, "Records of runs that have ended, by what became of them."},
		{nameLastDuration, gauge, job, "How long the last run took that ended ok, partial, failed or blocked."},
		{nameLastState, gauge, []string{"job", "state"}, "How that run ended: 1 for its state, and 0 for the others."},
		{nameLastSuccess, gauge, job, "When a run last ended ok."},
		{nameLastDelivered, gauge, job, "When a run last ended ok or partial."},
		{nameLag, gauge, job, "For how long a due time is not met by a run that ended ok or partial; 0 while all are."},
		{nameStale, gauge, job, "Whether a second due time in a row is not met, 15 minutes after it (1) or not (0)."},
		{namePaused, gauge, job, "Whether a person has paused the job (1) or not (0)."},
		{nameAgain, gauge, job, "When the job goes on whose last run has used up a quota."},
		{nameQuarantine, gauge, []string{"job", "code"}, "Refused records that wait in the quarantine, by cause."},
		{nameParked, gauge, job, "Creates that wait for a person: they cannot be proven, or the target has several records that they may be."},
		{nameParkedOldest, gauge, job, "When the oldest of the creates was sent that wait for a person."},
		{nameUnknown, gauge, job, "Creates that were sent and are proven neither done nor not done, those of runs under way among them."},
		{nameUnknownOldest, gauge, job, "When the oldest of those creates was sent."},
		{nameAdapterUp, gauge, []string{"adapter"}, "Whether a process of the adapter runs (1) or not (0)."},
		{nameAdapterParked, gauge, []string{"adapter"}, "Whether the adapter has ended too often and is not started again (1) or not (0)."},
		{nameRestarts, counter, []string{"adapter"}, "How often the adapter has ended by itself, was killed from outside, or could not be started."},
		{nameRequests, counter, []string{"adapter", "code_class"}, "Calls of the adapter by how they ended: ok, or the code of the error."},
		{nameMap, histogram, nil, "How long a script took for a page of records."},
		{nameSessions, gauge, []string{"state"}, "Import sessions that are not over."},
		{nameExport, counter, []string{"result"}, "Requests on the public address by the class of their status: 2xx, 3xx, 4xx or 5xx."},
		{nameInSaves, counter, []string{"connection", "kind"}, "Records that other systems have pushed and that were stored."},
		{nameInFetches, counter, connection, "Records that pushing systems have fetched."},
		{nameInRefused, counter, []string{"connection", "reason"}, "Requests of pushing systems that were answered with an error, by its reason in small letters; without a connection where nobody has proven to be its sender."},
		{nameInUnknown, counter, connection, "Values in saves that nothing has asked for: most often a mistyped element."},
		{nameInWaiting, gauge, connection, "Pushed records that are kept: those that jobs have to read yet, and the latest of each staff member and lead source."},
		{nameAlerts, counter, []string{"receiver", "result"}, "Messages to receivers of alerts: sent, failed (it is tried again) or given_up."},
		{nameStore, gauge, nil, "The size of the database."},
		{nameDiskFree, gauge, nil, "What the daemon may still use of the disk that the state is on."},
		{nameDiskSize, gauge, nil, "The size of the disk that the state is on."},
		{nameScrapeOK, gauge, nil, "Whether the gauges of jobs, adapters and sessions could be read (1) or are missing (0)."},
	}
	slices.SortFunc(list, func(a, b Family) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

// family returns the family of a name.
func family(name string) Family {
	for _, f := range Families() {
		if f.Name == name {
			return f
		}
	}
	return Family{Name: name}
}
