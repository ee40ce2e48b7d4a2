package rtc

import (
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// read starts the goroutines of a track that comes in, which end with it. codecKnown is called when the codec turns out
// to be another than was announced; nil: nobody is told.
func (p *peer) read(source *Source, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver, codecKnown func()) {
	codec := newCodec(track.Codec().RTPCodecCapability)
	if source.setCodec(codec) && codecKnown != nil {
		p.work.Go(codecKnown)
	}
	ssrc := uint32(track.SSRC())
	feed := source.OpenFeed(FeedConfig{
		Codec:        codec,
		AudioLevelID: extensionID(receiver.GetParameters().HeaderExtensions, extensionAudioLevel),
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
	p.work.Go(func() { readReports(receiver, ssrc, feed) })
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

func readReports(receiver *webrtc.RTPReceiver, ssrc uint32, feed *Feed) {
	for {
		packets, _, err := receiver.ReadRTCP()
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
