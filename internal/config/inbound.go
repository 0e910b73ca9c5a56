package config

import (
	"github.com/rosterd/rosterd/internal/roster"
)

// checkReceiver checks a connection that other systems push to.
func (l *loader) checkReceiver(ref string, v value) {
	if v.get("adapter").textOr("") == roster.AdapterInbound && v.get("client_id").textOr("") == "" {
		l.fault(v.get("adapter"), CodeMissing, "connection "+ref+" has no client_id, which a system that pushes names in every request",
			"add  client_id: ID  with that system's id of the account")
	}
}

// checkInbound checks a job at a connection that other systems push to: what was
// pushed waits until it is read, and is not kept. It cannot be walked.
func (l *loader) checkInbound(account roster.Account, v value, job *roster.Job) {
	if to := account.Connections[v.get("to").textOr("")]; to.Adapter == roster.AdapterInbound {
		l.fault(v.get("to"), CodeReference, "connection "+job.To+" receives, and nothing can be delivered to it",
			"deliver to a connection with an adapter of that system")
	}
	if from := account.Connections[v.get("from").textOr("")]; from.Adapter != roster.AdapterInbound {
		return
	}
	if job.Read = roster.ReadChanges; v.get("read").textOr("") == string(roster.ReadAll) {
		l.fault(v.get("read"), CodeJobType, "what is pushed to "+job.From+" is read once and not kept, so that there is no reading all of it",
			"remove the key: the job reads what has arrived")
	}
	if sweep := v.get("sweep"); sweep.node != nil {
		l.fault(value{src: sweep.src, node: sweep.key}, CodeJobType, "what is pushed to "+job.From+" is not kept, so that there is nothing to sweep",
			"remove it")
	}
}
