package harness

import "context"

// StartMediaServer starts one more media server, with flags of its own, and waits until it is ready. Close ends it.
func (f *Fleet) StartMediaServer(ctx context.Context, id string, flags ...string) (*Process, error) {
	p, err := f.process(ctx, id, "mediaserver", readyHTTP)
	if err != nil {
		return nil, err
	}
	p.args = append([]string{
		"--id=" + id, "--listen=" + p.Address, "--amqp-url=" + f.amqp, "--mongo-url=" + f.mongo,
		"--mongo-database=" + f.database(), "--log-level=" + f.logLevel,
	}, flags...)
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	f.MediaServers = append(f.MediaServers, p)
	return p, nil
}
