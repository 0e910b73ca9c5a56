package bolt

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

// Alerts returns what the receivers of alerts were told and have to be told yet,
// ordered by [roster.Alert.Key].
func (s *Store) Alerts(ctx context.Context) ([]roster.Alert, error) {
	var found []roster.Alert
	err := s.view(ctx, "list alerts", func(tx *txn) error {
		return bucket(tx, bucketAlerts).ForEach(func(_, value []byte) error {
			var a roster.Alert
			if err := json.Unmarshal(value, &a); err != nil {
				return fmt.Errorf("%w: %w", store.ErrDamaged, err)
			}
			found = append(found, a)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// PutAlerts stores alerts in one transaction. One that was told nothing but the
// good state, and has nothing to be told, is forgotten.
func (s *Store) PutAlerts(ctx context.Context, alerts []roster.Alert) error {
	const doing = "store alerts"
	for _, a := range alerts {
		if a.Receiver == "" || a.Subject == "" || a.Facet == "" {
			return fmt.Errorf("%s: %w: one has no receiver, subject or facet", doing, roster.ErrInvalid)
		}
	}
	if len(alerts) == 0 {
		return nil
	}
	return s.update(ctx, doing, func(tx *txn) error {
		changed := false
		b := bucket(tx, bucketAlerts)
		for _, a := range alerts {
			key := []byte(a.Key())
			if a.Told == "" && a.Next == nil {
				changed = changed || b.Get(key) != nil
				if err := b.Delete(key); err != nil {
					return err
				}
				continue
			}
			saved, err := save(b, key, a)
			if err != nil {
				return err
			}
			changed = changed || saved
		}
		if !changed {
			return errUnchanged
		}
		return nil
	})
}
