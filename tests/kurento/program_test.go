package kurento_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programTimeout is generous: a program waits for what it has been promised, and none needs more than seconds.
const programTimeout = 60 * time.Second

// orders is what a program may ask its test to do, by name.
type orders map[string]func(argument string) (answer string, err error)

// runProgram runs a Node program against a media server to its end: it must end by itself, well and without complaint.
func runProgram(t *testing.T, known orders, name string, arguments ...string) {
	t.Helper()
	if err := execute(t, known, name, arguments...); err != nil {
		t.Fatal(err)
	}
}

// execute is runProgram for an order of another program.
func execute(t *testing.T, known orders, name string, arguments ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	program := exec.CommandContext(ctx, "node", append([]string{filepath.Join("js", name)}, arguments...)...)
	// That a later Node deprecates what the modules use is no complaint of the program's.
	program.Env = append(os.Environ(), "NODE_PATH="+modules, "NODE_OPTIONS=--no-deprecation")
	var complaints bytes.Buffer
	program.Stderr = &complaints
	out, err := program.StdoutPipe()
	if err != nil {
		return err
	}
	in, err := program.StdinPipe()
	if err != nil {
		return err
	}
	if err := program.Start(); err != nil {
		return err
	}
	said, orderErr := obey(out, in, known)
	if orderErr != nil {
		cancel()
	}
	if err := program.Wait(); err != nil || orderErr != nil || complaints.Len() > 0 {
		return fmt.Errorf("%s: %w\n%s%s", name, errors.Join(orderErr, err, ctx.Err()), said, &complaints)
	}
	return nil
}

// obey carries out what a program asks for until it ends, and gives the rest of what it said.
func obey(out io.Reader, in io.Writer, known orders) (said string, err error) {
	var rest strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		request, asked := strings.CutPrefix(lines.Text(), "ask: ")
		if !asked {
			fmt.Fprintln(&rest, lines.Text())
			continue
		}
		name, argument, _ := strings.Cut(request, " ")
		order, found := known[name]
		if !found {
			return rest.String(), fmt.Errorf("the program asks for %q", name)
		}
		answer, err := order(argument)
		if err == nil {
			_, err = fmt.Fprintln(in, answer)
		}
		if err != nil {
			return rest.String(), fmt.Errorf("%s: %w", name, err)
		}
	}
	return rest.String(), nil
}
