package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/orkestro/orkestro/pkg/doctor"
)

// Doctor is where the doctor finds the fleet.
func (f *Fleet) Doctor() doctor.Config {
	return doctor.Config{MongoURL: f.mongo, MongoDatabase: f.database(), AMQPURL: f.Broker.URL()}
}

// Operator runs the operator's program against the fleet, which it finds through its environment, and gives the exit
// status and what was printed.
func (f *Fleet) Operator(ctx context.Context, args ...string) (status int, stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(f.programs, "orkestro"), args...)
	cmd.Env = append(os.Environ(), "ORKESTRO_URL=http://"+f.RestAPIs[0].Address, "ORKESTRO_KEY="+apiKey,
		"ORKESTRO_AMQP_URL="+f.amqp, "ORKESTRO_MONGO_URL="+f.mongo, "ORKESTRO_MONGO_DATABASE="+f.database())
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	err = cmd.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return exited.ExitCode(), out.String(), told.String(), nil
	}
	return 0, out.String(), told.String(), err
}
