package media

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func playerClass() class {
	return class{module: "kurento", name: "PlayerEndpoint", hierarchy: uriHierarchy()}
}

// VideoInfo is the protocol's register type VideoInfo; times are in ms.
type VideoInfo struct {
	Module       string `json:"__module__"`
	Type         string `json:"__type__"`
	IsSeekable   bool   `json:"isSeekable"`
	SeekableInit int64  `json:"seekableInit"`
	SeekableEnd  int64  `json:"seekableEnd"`
	Duration     int64  `json:"duration"`
}

// PlayerEndpoint is the PlayerEndpoint of the Kurento Protocol: it sends a file to what is connected, as it is. Safe
// for concurrent use; the fields below are owned by the queue.
type PlayerEndpoint struct {
	uriEndpoint

	player *playback.Player // nil: stopped
	length time.Duration
	feeds  []*rtc.Feed
}

// NewPlayerEndpoint makes a PlayerEndpoint. Errors are [*Error]: of the URI.
func (p *Pipeline) NewPlayerEndpoint(uri string) (*PlayerEndpoint, error) {
	e := &PlayerEndpoint{}
	if err := e.init(e, p, playerClass(), uri); err != nil {
		return nil, err
	}
	e.outputs[Audio] = p.server.engine.NewSource(control.KindAudio)
	e.outputs[Video] = p.server.engine.NewSource(control.KindVideo)
	return e, p.children.addElement(p.server, p, e)
}

// Play begins to play, or goes on after a pause. Errors are [*Error]: there is no such file, or it would have to be
// transcoded.
func (e *PlayerEndpoint) Play(ctx context.Context) error {
	return e.call(ctx, func() error {
		if e.player == nil {
			if err := e.open(); err != nil {
				return err
			}
		} else {
			e.player.Resume()
		}
		e.setState(uriStart)
		return nil
	})
}

func (e *PlayerEndpoint) open() error {
	file, size, err := e.server.files.open(e.file)
	if err != nil {
		return err
	}
	media, err := playback.Open(file, size)
	if errors.Is(err, playback.ErrCodec) || errors.Is(err, playback.ErrFormat) {
		return errorf(codeUnsupportedMediaType, "'%s': %v", e.file, err)
	}
	if err != nil {
		return errorf(codeFileNotFound, "'%s': %v", e.file, err)
	}
	e.length = media.Duration()
	var player *playback.Player
	started := make(chan struct{})
	player = playback.Play(media, e.openFeeds(media.Tracks()), func(err error) {
		<-started
		e.queue.post(func() { e.ended(player, err) })
	})
	e.player = player
	close(started)
	return nil
}

// openFeeds feeds each kind with the first of its tracks.
func (e *PlayerEndpoint) openFeeds(tracks []playback.Track) []playback.Feed {
	feeds := make([]playback.Feed, len(tracks))
	taken := map[MediaType]bool{}
	for i, t := range tracks {
		kind := Audio
		codec := rtc.Codec{MIME: t.Codec, ClockRate: t.ClockRate(), Format: t.Format()}
		if t.Video() {
			kind = Video
		} else {
			codec.Channels = 2 // Opus is always said to have two (RFC 7587 section 7)
		}
		if taken[kind] {
			continue
		}
		taken[kind] = true
		feed := e.outputs[kind].OpenFeed(rtc.FeedConfig{Codec: codec})
		e.feeds = append(e.feeds, feed)
		feeds[i] = feed
	}
	return feeds
}

// ended runs on the queue when a player has reached its end.
func (e *PlayerEndpoint) ended(player *playback.Player, err error) {
	if e.player != player {
		return // stopped meanwhile
	}
	e.stop()
	if err != nil {
		e.fail(err)
	}
	e.server.emit(e, EventEndOfStream, nil)
	for _, sink := range e.pipeline.graph.fed(&e.Element) {
		if listener, ok := sink.owner.(interface{ sourceEnded() }); ok {
			listener.sourceEnded()
		}
	}
}

// Pause stops sending until Play.
func (e *PlayerEndpoint) Pause(ctx context.Context) error {
	return e.call(ctx, func() error {
		if e.player != nil {
			e.player.Pause()
			e.setState(uriPause)
		}
		return nil
	})
}

// Stop ends playing; Play begins anew.
func (e *PlayerEndpoint) Stop(ctx context.Context) error {
	return e.call(ctx, func() error {
		e.stop()
		return nil
	})
}

// stop runs on the queue.
func (e *PlayerEndpoint) stop() {
	if e.player == nil {
		return
	}
	e.player.Stop()
	for _, feed := range e.feeds {
		feed.Close()
	}
	e.player, e.feeds, e.length = nil, nil, 0
	e.setState(uriStop)
}

// Position is the time in the file that is played, in ms; 0 while nothing is.
func (e *PlayerEndpoint) Position(ctx context.Context) (position int64, err error) {
	err = e.call(ctx, func() error {
		if e.player != nil {
			position = e.player.Position().Milliseconds()
		}
		return nil
	})
	return position, err
}

// SetPosition goes to the last keyframe from before a time in ms, or near it. Errors are [*Error].
func (e *PlayerEndpoint) SetPosition(ctx context.Context, position int64) error {
	return e.call(ctx, func() error {
		if e.player == nil {
			return errorf(codeSeekFail, "Seek failed: nothing is played")
		}
		if position < 0 || position > maxPosition {
			return errorf(codeSeekFail, "Seek failed: there is no position %d", position)
		}
		if err := e.player.Seek(time.Duration(position) * time.Millisecond); err != nil {
			return errorf(codeSeekFail, "Seek failed: %v", err)
		}
		return nil
	})
}

// maxPosition is a day, in ms: far more than any file.
const maxPosition = 24 * 60 * 60 * 1000

// VideoInfo is what is known of the file that is played.
func (e *PlayerEndpoint) VideoInfo(ctx context.Context) (info VideoInfo, err error) {
	info = VideoInfo{Module: registerModule, Type: "VideoInfo"}
	err = e.call(ctx, func() error {
		info.IsSeekable = e.player != nil
		info.Duration = e.length.Milliseconds()
		info.SeekableEnd = info.Duration
		return nil
	})
	return info, err
}

func (e *PlayerEndpoint) close() {
	e.queue.close(e.stop)
	e.leave()
	e.pipeline.forget(e)
}
