package main

import (
	"context"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// forwardingTime is how long the forwarding load runs.
const forwardingTime = 10 * time.Second

// measureForwarding: one publisher of generated video and audio (100 packets of about 400 bytes a second), N subscribers;
// CPU of the media servers for each packet delivered, and memory for each subscriber.
func measureForwarding(ctx context.Context, b *bench) error {
	for _, subscribers := range []int{10, 50} {
		if err := b.forward(ctx, subscribers); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) forward(ctx context.Context, subscribers int) error {
	session, err := b.fleet.API.CreateSession(ctx, "")
	if err != nil {
		return err
	}
	defer func() { _ = b.fleet.API.CloseSession(context.WithoutCancel(ctx), session) }()
	before := rss(b.fleet.MediaServers)
	publisher, err := harness.NewUser(ctx, b.fleet.API, session, "publisher")
	if err != nil {
		return err
	}
	defer publisher.Close()
	publisher.Publish()
	users := make([]*harness.User, subscribers)
	for i := range users {
		if users[i], err = harness.NewUser(ctx, b.fleet.API, session, fmt.Sprintf("subscriber-%d", i)); err != nil {
			return err
		}
		defer users[i].Close()
	}
	if err := eachReceives(ctx, users); err != nil {
		return err
	}
	packets, cpu := received(users), cpuOf(b.fleet.MediaServers)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(forwardingTime):
	}
	packets, cpu = received(users)-packets, cpuOf(b.fleet.MediaServers)-cpu
	b.row(fmt.Sprintf("forward to %d subscribers", subscribers), "%.1f us of CPU a packet (%d packets)",
		float64(cpu.Microseconds())/float64(packets), packets)
	b.row("  memory", "%d KiB a subscriber", (rss(b.fleet.MediaServers)-before)/1024/int64(subscribers))
	return nil
}

// eachReceives waits until media has reached everybody.
func eachReceives(ctx context.Context, users []*harness.User) error {
	ctx, cancel := context.WithTimeout(ctx, mediaTimeout)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for _, u := range users {
		for u.Received() == 0 {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s: %w; its client says %v", u.ID, errNoMedia, u.Failures())
			case <-ticker.C:
			}
		}
	}
	return nil
}

func received(users []*harness.User) int {
	total := 0
	for _, u := range users {
		total += u.Received()
	}
	return total
}

// measureIdle: what sessions cost in which nothing happens, with one user each.
func measureIdle(ctx context.Context, b *bench) error {
	const sessions = 200
	services := b.services()
	before := make([]int64, len(services))
	for i, s := range services {
		before[i] = rss(s.processes)
	}
	ids := make([]string, sessions)
	for i := range ids {
		id, err := b.fleet.API.CreateSession(ctx, "")
		if err != nil {
			return err
		}
		if _, err := b.fleet.API.Join(ctx, id, "idle"); err != nil {
			return err
		}
		ids[i] = id
	}
	for i, s := range services {
		b.row("memory of an idle session with one user, "+s.name, "%d KiB (all replicas)",
			(rss(s.processes)-before[i])/1024/sessions)
	}
	cpu := b.cpu()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(forwardingTime):
	}
	b.row(fmt.Sprintf("CPU of the fleet with %d idle sessions", sessions), "%.1f %% of a core",
		100*(b.cpu().total()-cpu.total()).Seconds()/forwardingTime.Seconds())
	return closeAll(ctx, b.fleet.API, ids)
}
