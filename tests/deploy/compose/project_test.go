package compose_test

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
)

func TestProbe(t *testing.T) {
	_, _ = cli.NewProjectOptions(nil)
}
