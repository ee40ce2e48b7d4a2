// Command baseline is the forwarding server that everybody writes first with Pion: its default codecs, its default
// interceptors, default sockets, and one TrackLocalStaticRTP that is written to by the loop that reads the publisher.
// tests/benchmedia measures the media server against it. Clients post an offer to /publish or /subscribe and get the
// answer back; /metrics has what the Go runtime counts.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxOfferBytes bounds a request.
const maxOfferBytes = 1 << 20

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: baseline HOST:PORT")
		os.Exit(2)
	}
	s := &server{published: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /publish", s.handle(s.publish))
	mux.HandleFunc("POST /subscribe", s.handle(s.subscribe))
	mux.Handle("GET /metrics", promhttp.Handler())
	front := &http.Server{Addr: os.Args[1], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if err := front.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

// server has one publisher and any number of subscribers, who come after the publisher's first packet.
type server struct {
	published chan struct{} // closed when there is a track
	once      sync.Once
	track     *webrtc.TrackLocalStaticRTP
}

func (s *server) handle(negotiate func(*webrtc.PeerConnection) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		offer, err := io.ReadAll(io.LimitReader(r.Body, maxOfferBytes))
		if err == nil {
			err = s.answer(w, string(offer), negotiate)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// answer makes a peer connection, which lives as long as the process.
func (s *server) answer(w io.Writer, offer string, negotiate func(*webrtc.PeerConnection) error) error {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true) // the clients are on this machine
	settings.SetIPFilter(net.IP.IsLoopback)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	if err := negotiate(pc); err != nil {
		return err
	}
	err = pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer})
	if err != nil {
		return err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return err
	}
	<-gathered
	_, err = io.WriteString(w, pc.LocalDescription().SDP)
	return err
}

func (s *server) publish(pc *webrtc.PeerConnection) error {
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionRecvonly,
	}); err != nil {
		return err
	}
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		local, err := webrtc.NewTrackLocalStaticRTP(remote.Codec().RTPCodecCapability, "video", "stream")
		if err != nil {
			return
		}
		s.once.Do(func() {
			s.track = local
			close(s.published)
		})
		forward(remote, local)
	})
	return nil
}

func forward(from *webrtc.TrackRemote, to *webrtc.TrackLocalStaticRTP) {
	buffer := make([]byte, 1500)
	for {
		n, _, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err = to.Write(buffer[:n]); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return
		}
	}
}

func (s *server) subscribe(pc *webrtc.PeerConnection) error {
	<-s.published
	sender, err := pc.AddTrack(s.track)
	if err != nil {
		return err
	}
	go func() { // interceptors see RTCP only when it is read
		buffer := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(buffer); err != nil {
				return
			}
		}
	}()
	return nil
}
