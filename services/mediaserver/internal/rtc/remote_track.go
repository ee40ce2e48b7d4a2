package rtc

import (
	"slices"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// read starts the goroutines of a track that comes in, one of layers when there are any; they end with it. codecKnown
// is called when the codec turns out to be another than was announced; nil: nobody is told.
func (p *peer) read(source *Source, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver, layers []string,
	codecKnown func(),
) {
	parameters := receiver.GetParameters()
	codec := newCodec(track.Codec().RTPCodecCapability)
	red := webrtc.PayloadType(0)
	if inner, found := firstCodec(parameters.Codecs); found && source.Kind() == control.KindAudio {
		if isCompanion(codec.MIME) {
			codec = newCodec(inner.RTPCodecCapability)
		}
		red = companionIn(parameters.Codecs, inner.PayloadType)
	}
	if source.setCodec(codec) && codecKnown != nil {
		p.work.Go(codecKnown)
	}
	rid := ""
	if slices.Contains(layers, track.RID()) {
		rid = track.RID()
	} else {
		layers = nil
	}
	ssrc := uint32(track.SSRC())
	feed := source.OpenFeed(FeedConfig{
		Codec:        codec,
		AudioLevelID: extensionID(parameters.HeaderExtensions, extensionAudioLevel),
		DependencyID: extensionID(parameters.HeaderExtensions, extensionDependency),
		Layer:        rid,
		Layers:       layers,

		REDPayloadType: uint8(red),
		// A failure means that the connection is closing.
		RequestKeyframe: func() { // RFC 4585 section 6.3.1
			_ = p.writeRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
		},
		Lost: func(sequences []uint16) { // RFC 4585 section 6.2.1
			_ = p.writeRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
				MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(sequences),
			}})
		},
	})
	p.work.Go(func() { readPackets(track, feed) })
	p.work.Go(func() { readReports(receiver, track.RID(), ssrc, feed) })
}

func readPackets(track *webrtc.TrackRemote, feed *Feed) {
	defer feed.Close()
	buffer := make([]byte, maxPacketBytes)
	for {
		n, _, err := track.Read(buffer)
		if err != nil || !feed.Write(buffer[:n], time.Now()) {
			return
		}
	}
}

func readReports(receiver *webrtc.RTPReceiver, rid string, ssrc uint32, feed *Feed) {
	read := receiver.ReadRTCP
	if rid != "" {
		read = func() ([]rtcp.Packet, interceptor.Attributes, error) { return receiver.ReadSimulcastRTCP(rid) }
	}
	for {
		packets, _, err := read()
		if err != nil {
			return
		}
		for _, p := range packets {
			if report, ok := p.(*rtcp.SenderReport); ok && report.SSRC == ssrc {
				feed.Report(report.NTPTime, report.RTPTime)
			}
		}
	}
}
