package kurento_test

import (
	"bufio"
	"bytes"
	"context"
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
type orders map[string]func() error

// runProgram runs a Node program against a media server to its end: it must end by itself and well.
func runProgram(t *testing.T, url, name string, known orders) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	program := exec.CommandContext(ctx, "node", filepath.Join("js", name), url)
	program.Env = append(os.Environ(), "NODE_PATH="+modules)
	var complaints bytes.Buffer
	program.Stderr = &complaints
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	said, orderErr := obey(out, in, known)
	if err := program.Wait(); err != nil || orderErr != nil || complaints.Len() > 0 {
		t.Fatalf("%s: %v, %v, %v\n%s%s", name, err, ctx.Err(), orderErr, said, &complaints)
	}
}

// obey carries out what a program asks for until it ends, and gives the rest of what it said.
func obey(out io.Reader, in io.Writer, known orders) (said string, err error) {
	var rest strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		name, asked := strings.CutPrefix(lines.Text(), "ask: ")
		if !asked {
			fmt.Fprintln(&rest, lines.Text())
			continue
		}
		order, found := known[name]
		if !found {
			return rest.String(), fmt.Errorf("the program asks for %q", name)
		}
		if err := order(); err != nil {
			return rest.String(), fmt.Errorf("%s: %w", name, err)
		}
		if _, err := fmt.Fprintln(in, "done"); err != nil {
			return rest.String(), err
		}
	}
	return rest.String(), nil
}
