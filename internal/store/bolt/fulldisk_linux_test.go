package bolt_test

import (
	"testing"

	"github.com/rosterd/rosterd/internal/store/storetest"
)

func TestAFullDiskIsAnErrorAndNothingWorse(t *testing.T) { storetest.FullDisk(t, open) }
