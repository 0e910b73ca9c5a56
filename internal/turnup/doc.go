// Package turnup takes in a new customer: it asks a person for what is needed (the
// account's id and its clubs' ids in each system, how the system is reached, the
// options of its adapter), and says of the clubs and the staff that are found there
// which would be linked (seed document, "Turnup").
//
// What it learns goes into a [config.Draft]; it writes nothing.
package turnup
