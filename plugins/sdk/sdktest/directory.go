package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func callStaff(ctx context.Context, o Opened) error {
	v, err := abilityOf[sdk.StaffLister](o, sdk.AbilityStaffLister)
	if err != nil {
		return err
	}
	_, err = v.ListStaff(ctx)
	return err
}

func callFindStaff(email string) func(context.Context, Opened) error {
	return func(ctx context.Context, o Opened) error {
		v, err := abilityOf[sdk.StaffFinder](o, sdk.AbilityStaffFinder)
		if err != nil {
			return err
		}
		_, err = v.FindStaff(ctx, email)
		return err
	}
}

func callLeadSources(ctx context.Context, o Opened) error {
	v, err := abilityOf[sdk.LeadSourceLister](o, sdk.AbilityLeadSourceLister)
	if err != nil {
		return err
	}
	_, err = v.ListLeadSources(ctx)
	return err
}

func callClubs(ctx context.Context, o Opened) error {
	v, err := abilityOf[sdk.ClubLister](o, sdk.AbilityClubLister)
	if err != nil {
		return err
	}
	_, err = v.ListClubs(ctx)
	return err
}

func clubsOK(p *probe) error {
	v, err := ability[sdk.ClubLister](p, sdk.AbilityClubLister)
	if err != nil {
		return err
	}
	clubs, err := call(p.ctx, "list clubs", p.c.Patience, v.ListClubs)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range clubs {
		if c.ID == "" || seen[c.ID] {
			return errors.New("a club has no id or is listed twice")
		}
		seen[c.ID] = true
	}
	return nil
}

func staffOK(p *probe) error {
	v, err := ability[sdk.StaffLister](p, sdk.AbilityStaffLister)
	if err != nil {
		return err
	}
	staff, err := call(p.ctx, "list staff", p.c.Patience, v.ListStaff)
	if err != nil {
		return err
	}
	return soundStaff(staff)
}

func soundStaff(staff []sdk.Staff) error {
	seen := map[string]bool{}
	for _, s := range staff {
		if s.ID == "" || seen[s.ID+"\x00"+s.Club] {
			return errors.New("a staff member has no id or is listed twice")
		}
		seen[s.ID+"\x00"+s.Club] = true
	}
	return nil
}

func staffFound(p *probe) error {
	v, err := ability[sdk.StaffFinder](p, sdk.AbilityStaffFinder)
	if err != nil {
		return err
	}
	find := func(email string) ([]sdk.Staff, error) {
		return call(p.ctx, "find staff", p.c.Patience, func(ctx context.Context) ([]sdk.Staff, error) { return v.FindStaff(ctx, email) })
	}
	if none, err := find("sdktest-nobody@example.invalid"); err != nil || len(none) > 0 {
		return errors.Join(fmt.Errorf("%d staff members are found by an address that none has", len(none)), err)
	}
	if p.c.StaffEmail == "" {
		return nil
	}
	for _, email := range []string{p.c.StaffEmail, strings.ToUpper(p.c.StaffEmail)} {
		staff, err := find(email)
		switch {
		case err != nil:
			return err
		case len(staff) == 0:
			return errors.New("the staff member with the address of Case.StaffEmail is not found, in lower or in upper case")
		case slices.ContainsFunc(staff, func(s sdk.Staff) bool { return !strings.EqualFold(s.Email, p.c.StaffEmail) }):
			return errors.New("a staff member with another address is found")
		}
		if err := soundStaff(staff); err != nil {
			return err
		}
	}
	return nil
}

func leadSourcesOK(p *probe) error {
	v, err := ability[sdk.LeadSourceLister](p, sdk.AbilityLeadSourceLister)
	if err != nil {
		return err
	}
	sources, err := call(p.ctx, "list lead sources", p.c.Patience, v.ListLeadSources)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, s := range sources {
		if s.ID == "" || strings.TrimSpace(s.Name) == "" || seen[s.ID+"\x00"+s.Club] {
			return errors.New("a lead source has no id or no name, or is listed twice")
		}
		seen[s.ID+"\x00"+s.Club] = true
	}
	return nil
}
