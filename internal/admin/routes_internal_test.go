package admin

// Operations lists the routes as "METHOD path" for the tests from outside.
func Operations() []string {
	var all []string
	for _, rt := range (&API{}).routes() {
		all = append(all, rt.method+" "+rt.path)
	}
	return all
}

// Constants of the event stream for the tests from outside.
const (
	MaxWatchers       = maxWatchers
	HeartbeatInterval = heartbeatInterval
	MaxLineBytes      = maxLineBytes
)
