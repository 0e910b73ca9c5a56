package bolt

import (
	"fmt"
	"os"
)

// Size returns the bytes of the database's file.
func (s *Store) Size() (int64, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0, fmt.Errorf("look at the database: %w", err)
	}
	return info.Size(), nil
}
