package sdk

import "context"

// StaffLister lists the staff of an outside system. Staff are associated by
// their e-mail addresses and never created (seed document, "Staff
// Synchronization").
type StaffLister interface {
	// ListStaff returns all staff members of the connection.
	ListStaff(ctx context.Context) ([]Staff, error)
}

// StaffFinder finds staff by e-mail address, in place of [StaffLister].
type StaffFinder interface {
	// FindStaff returns every staff member with the address, compared without
	// regard to case.
	FindStaff(ctx context.Context, email string) ([]Staff, error)
}

// Staff is a staff member of an outside system.
type Staff struct {
	ID    string
	Email string
	// Club is the id of the staff member's club; empty where there is none.
	Club string
	// Inactive says that the staff member can own nothing any more.
	Inactive bool
}

// LeadSourceLister lists the lead sources of an outside system. They are
// compared by name without regard to case (seed document, "Lead Source
// Synchronization").
type LeadSourceLister interface {
	// ListLeadSources returns all lead sources of the connection.
	ListLeadSources(ctx context.Context) ([]LeadSource, error)
}

// LeadSource is a lead source of an outside system.
type LeadSource struct {
	ID   string
	Name string
	// Club is the id of the club that it belongs to; empty for all.
	Club     string
	Inactive bool
}

// ClubLister lists the clubs of an outside system. Whoever sets a connection up
// sees by it whether the ids of the account's clubs are those that the system has.
type ClubLister interface {
	// ListClubs returns all clubs of the connection, also those that
	// [Connection].Clubs does not name.
	ListClubs(ctx context.Context) ([]Club, error)
}

// Club is one physical location in an outside system.
type Club struct {
	ID string
	// Name is what the system calls it; may be empty.
	Name string
}
