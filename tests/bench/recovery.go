package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

const (
	// recoverySessions is how many are on the server that is killed, with two users each, in the second measurement.
	recoverySessions = 100
	// recoveryFrames is the time between two frames of a track there: what is measured is the fleet, on the same cores.
	recoveryFrames = 100 * time.Millisecond
	// recoveryTimeout: media that is not back by then does not come back.
	recoveryTimeout = 30 * time.Second
	lookEvery       = 20 * time.Millisecond // arrivals know their own time
)

// measureRecovery: from the kill of a media server to the first media packet at a subscriber through the next one.
func measureRecovery(ctx context.Context, b *bench) (err error) {
	fleet, err := harness.Start(ctx, "bench-recovery",
		harness.Options{RestAPIs: 2, Wrappers: 2, MediaServers: 4, LogLevel: "info"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.Close(err != nil)) }() //nolint:contextcheck // not for ctx to end
	one := &bench{fleet: fleet, out: b.out, scale: b.scale}
	return errors.Join(recoverOne(ctx, one), recoverMany(ctx, one))
}

// recoverOne kills the server of a single session again and again.
func recoverOne(ctx context.Context, b *bench) error {
	users, err := b.call(ctx, 20*time.Millisecond)
	if err != nil {
		return err
	}
	defer func() {
		closeUsers(users)
		_ = b.fleet.API.CloseSession(context.WithoutCancel(ctx), users[0].Session)
	}()
	var took sample
	for range 15 * b.scale {
		r, err := b.recover(ctx, users)
		if err != nil {
			return err
		}
		took = append(took, r.took...)
		if err := r.killed.Start(ctx); err != nil {
			return err
		}
	}
	b.row("media server killed until media again, 1 session", "%s", took.quantiles())
	return nil
}

// recoverMany has all sessions on one server, and kills it.
func recoverMany(ctx context.Context, b *bench) error {
	others := b.fleet.MediaServers[1:]
	for _, server := range others {
		if err := server.Stop(); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	var users []*harness.User
	defer func() { closeUsers(users) }()
	_, _, err := repeat(ctx, recoverySessions, 4, func(ctx context.Context, _ int) (time.Duration, error) {
		joined, err := b.call(ctx, recoveryFrames)
		mu.Lock()
		defer mu.Unlock()
		users = append(users, joined...)
		return 0, err
	})
	for _, server := range others {
		err = errors.Join(err, server.Start(ctx))
	}
	if err != nil {
		return err
	}
	r, err := b.recover(ctx, users)
	if err != nil {
		return err
	}
	b.row(fmt.Sprintf("media server killed until media again, %d sessions", recoverySessions), "%s", r.took.quantiles())
	b.row("  CPU a user", "%s", r.cpu)
	most, mean, err := b.spread(ctx, r.killed)
	if err == nil {
		b.row("  sessions on the fullest server, against the mean", "%d / %.1f = %.2f", most, mean, float64(most)/mean)
	}
	return err
}

// call is a session of two users who see and hear each other.
func (b *bench) call(ctx context.Context, frames time.Duration) ([]*harness.User, error) {
	return b.callOf(ctx, frames, "ann", "ben")
}

// callOf is a session of users who all publish. Each of them receives something already.
func (b *bench) callOf(ctx context.Context, frames time.Duration, ids ...string) ([]*harness.User, error) {
	session, err := b.fleet.API.CreateSession(ctx, "")
	if err != nil {
		return nil, err
	}
	var users []*harness.User
	for _, id := range ids {
		u, err := harness.NewThriftyUser(ctx, b.fleet.API, session, id, frames)
		if err != nil {
			return users, err
		}
		u.Publish()
		users = append(users, u)
	}
	_, err = firstMedia(ctx, users, 1)
	return users, err
}

// recovery is what followed a kill.
type recovery struct {
	killed *harness.Process
	took   sample // by user, until media came again
	cpu    string // used for each user
}

// recover kills the server that the users are on, and waits until all of them have media again.
func (b *bench) recover(ctx context.Context, users []*harness.User) (recovery, error) {
	was, err := b.fleet.Placement(ctx, users[0].Session)
	if err != nil {
		return recovery{}, err
	}
	killed := time.Now()
	was.Server.Kill()
	cpu, clients := b.cpu(), clientsCPU()
	at, err := firstMedia(ctx, users, was.Epoch+1)
	r := recovery{killed: was.Server, cpu: fmt.Sprintf("%s; clients %.1f ms", b.cpu().since(cpu, len(users)),
		float64((clientsCPU()-clients).Milliseconds())/float64(len(users)))}
	for _, first := range at {
		r.took = append(r.took, first.Sub(killed))
	}
	return r, err
}

// firstMedia waits until all users receive media under epoch or a later one, and gives since when each of them does.
func firstMedia(ctx context.Context, users []*harness.User, epoch int64) ([]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, recoveryTimeout)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	at := make([]time.Time, len(users))
	for {
		missing := 0
		for i, u := range users {
			if first, found := u.FirstMedia(epoch); found {
				at[i] = first
			} else {
				missing++
			}
		}
		if missing == 0 {
			return at, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d users: %w", missing, len(users), errNoMedia)
		case <-ticker.C:
		}
	}
}

// spread is how many sessions the fullest of the servers but one has, and how many they have on average.
func (b *bench) spread(ctx context.Context, killed *harness.Process) (most int, mean float64, err error) {
	servers, err := b.fleet.Servers(ctx)
	if err != nil {
		return 0, 0, err
	}
	total := 0
	for id, server := range servers {
		if id != killed.Name {
			total, most = total+server.Sessions, max(most, server.Sessions)
		}
	}
	return most, float64(total) / float64(len(servers)-1), nil
}

func closeUsers(users []*harness.User) {
	var closing sync.WaitGroup
	for _, u := range users {
		closing.Go(u.Close)
	}
	closing.Wait()
}

// clientsCPU is the processor time of this process, in which all clients are.
func clientsCPU() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
