// Package callers tells the callers of the public listener apart, who are
// strangers: by the address that they come from, by how often they were refused,
// and by the secrets that they know.
package callers
