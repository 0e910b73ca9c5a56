// Package metrics tells a Prometheus server how the daemon fares. It is handed
// numbers and asks nobody for records: gauges come from a [Picture] that is made
// at each scrape, counters from calls when something has happened.
//
// No label holds anything of a record. The values of labels are names of the
// configuration, words of the program, and codes that are bounded in number.
package metrics
