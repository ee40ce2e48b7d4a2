package process_test

import (
	"errors"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/process"
)

func TestCPUTime_GrowsWithWork(t *testing.T) {
	before := process.CPUTime()
	testkit.Eventually(t, func() error {
		for i, sum := 0, 0; i < 1_000_000; i++ {
			sum += i * sum
		}
		if process.CPUTime() <= before {
			return errors.New("no time was counted")
		}
		return nil
	})
}

func TestMemoryBytes_IsPlausible(t *testing.T) {
	if got := process.MemoryBytes(); got < 1<<20 || got > 64<<30 {
		t.Errorf("%d bytes", got)
	}
}
