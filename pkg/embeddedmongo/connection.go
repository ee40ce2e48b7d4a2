package embeddedmongo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/command"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/wire"
	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	acceptPause = 50 * time.Millisecond
	// idleTimeout is longer than any driver keeps a connection without a heartbeat or a wait on it.
	idleTimeout  = time.Hour
	writeTimeout = 30 * time.Second // a client that reads nothing for so long is gone
	readBuffer   = 64 << 10
)

// serve answers the messages of one connection in their order, until either side ends it.
func (s *Server) serve(ctx context.Context, conn net.Conn, id int64) {
	defer s.unregister(conn)
	defer func() { _ = conn.Close() }()
	client := command.Client{ID: id, Address: conn.LocalAddr().String(), Peer: conn.RemoteAddr().String()}
	reader := bufio.NewReaderSize(conn, readBuffer)
	for ctx.Err() == nil {
		if err := s.serveOne(ctx, conn, reader, client); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && ctx.Err() == nil {
				s.log.Debug("connection ended", "peer", client.Peer, logging.KeyError, err)
			}
			return
		}
	}
}

func (s *Server) serveOne(ctx context.Context, conn net.Conn, reader io.Reader, client command.Client) error {
	if err := conn.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return err
	}
	request, err := wire.Read(reader)
	if err != nil {
		return err
	}
	reply := s.handler.Handle(ctx, client, request.Command)
	if request.Silent {
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return wire.Write(conn, request, reply)
}
