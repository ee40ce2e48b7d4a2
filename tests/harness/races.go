package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// raceStatus is the exit status of a program that has seen a data race.
const raceStatus = 66

// driverPool is the part of the MongoDB driver that has a data race of its own (v1.17.10): when a server goes away,
// connections are taken out of the pool by pool.removeConnection that connection.connect is still writing to.
const driverPool = "go.mongodb.org/mongo-driver/x/mongo/driver/topology."

// outcome is how the process ended, err being what it ended with. Data races within the driver alone are not ours.
func (p *Process) outcome(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != raceStatus {
		return err
	}
	log, readErr := os.ReadFile(p.logFile)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if foreign := ownRace(string(log)); foreign != "" {
		return fmt.Errorf("%w: a data race at %s; its log: %s", err, foreign, p.logFile)
	}
	return nil
}

// ownRace is the first function in a log's reports of data races that is not the driver's pool, "" if there is none.
// Below each line "Write at ... by ..." is the function that did it.
func ownRace(log string) string {
	lines := strings.Split(log, "\n")
	for i, line := range lines[:len(lines)-1] {
		access := strings.ToLower(strings.TrimPrefix(line, "Previous "))
		if !strings.Contains(access, " at 0x") || !strings.Contains(access, " by ") {
			continue
		}
		if strings.HasPrefix(access, "write at ") || strings.HasPrefix(access, "read at ") {
			if function := strings.TrimSpace(lines[i+1]); !strings.HasPrefix(function, driverPool) {
				return function
			}
		}
	}
	return ""
}
