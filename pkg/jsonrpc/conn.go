// Package jsonrpc is JSON-RPC 2.0 (jsonrpc.org/specification): a [Client] and a [Serve] loop over a small [Conn]. Media
// servers serve with it, package mediaclient calls with it; package jsonrpc/ws carries it over WebSocket. It knows
// neither methods nor media.
//
// Unclear points of the specification, as decided here: a frame holds one message, batches are refused as invalid
// requests; an id of null is an id and is answered; a response has result or error, never both.
package jsonrpc

import (
	"errors"
	"sync"
)

// ErrClosed says that the connection was closed, by this side or the other, before the call was answered.
var ErrClosed = errors.New("jsonrpc: connection closed")

// Conn carries whole messages in order. Read is called by one goroutine at a time, Write and Close by any.
type Conn interface {
	// Read waits for the next message; any error is final.
	Read() ([]byte, error)
	// Write queues a message and never waits for the network. A peer that does not take its messages in time is cut off:
	// Write then fails, and so does Read.
	Write(frame []byte) error
	// Close ends the connection, unblocks Read, and waits for what the connection started.
	Close() error
}

// pipeQueue bounds what one side of a [Pipe] has written and the other not read, in messages.
const pipeQueue = 1024

// Pipe is a connection within the process: what one side writes, the other reads.
func Pipe() (Conn, Conn) {
	there, back := make(chan []byte, pipeQueue), make(chan []byte, pipeQueue)
	closed := &pipeClosed{done: make(chan struct{})}
	return &pipe{in: back, out: there, closed: closed}, &pipe{in: there, out: back, closed: closed}
}

type pipeClosed struct {
	once sync.Once
	done chan struct{}
}

type pipe struct {
	in     <-chan []byte
	out    chan<- []byte
	closed *pipeClosed
}

func (p *pipe) Read() ([]byte, error) {
	select {
	case frame := <-p.in:
		return frame, nil
	case <-p.closed.done:
		return nil, ErrClosed
	}
}

func (p *pipe) Write(frame []byte) error {
	select {
	case <-p.closed.done:
		return ErrClosed
	default:
	}
	select {
	case p.out <- frame:
		return nil
	default:
		_ = p.Close()
		return ErrClosed
	}
}

func (p *pipe) Close() error {
	p.closed.once.Do(func() { close(p.closed.done) })
	return nil
}
