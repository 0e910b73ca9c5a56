// Package mapping runs mapping scripts in worker processes.
package mapping
