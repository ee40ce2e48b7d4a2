package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// Alone is a media server that is no part of a fleet: neither broker nor database, any Kurento client may use it.
type Alone struct {
	*Process

	data string
}

// StartAlone builds the media server and starts it with further flags. Close ends it.
func StartAlone(ctx context.Context, flags ...string) (*Alone, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp("", "orkestro-alone")
	if err != nil {
		return nil, err
	}
	a := &Alone{data: data}
	if err := a.start(ctx, root, flags); err != nil {
		return nil, errors.Join(err, os.RemoveAll(data))
	}
	return a, nil
}

func (a *Alone) start(ctx context.Context, root string, flags []string) error {
	if err := build(ctx, root, a.data, "./services/mediaserver"); err != nil {
		return err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	a.Process = &Process{
		Name: "mediaserver", Address: address,
		program: filepath.Join(a.data, "mediaserver"), args: append([]string{"--listen=" + address}, flags...),
		logFile: filepath.Join(a.data, "mediaserver.log"), ready: readyHTTP,
	}
	return a.Start(ctx)
}

// URL is where clients connect.
func (a *Alone) URL() string { return "ws://" + a.Address + "/kurento" }

// Close stops the server and removes its log. It is an error if the server does not end well.
func (a *Alone) Close() error { return errors.Join(a.Stop(), os.RemoveAll(a.data)) }
