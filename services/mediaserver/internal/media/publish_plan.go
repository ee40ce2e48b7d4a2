package media

import (
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// Names of streams that have no msid of their own.
const (
	unnamedStream = "default"
	dataStream    = "data"
)

// publishPlan is what an offer publishes, read from its m-lines.
type publishPlan struct {
	order   []control.StreamID  // as they first appear
	tracks  map[string]trackKey // by mid
	mids    []string            // of tracks, in order
	dataMID string              // "": no data
	dataID  control.StreamID
	source  *rtc.DataSource
}

func newPublishPlan(user control.UserID, d *rtc.Description) (*publishPlan, error) {
	if len(d.Media) > maxPublishedMedia {
		return nil, errorf(mediaapi.CodeSDPProcessOffer, "%d m-lines, at most %d are allowed",
			len(d.Media), maxPublishedMedia)
	}
	plan := &publishPlan{tracks: map[string]trackKey{}}
	count := map[trackKey]int{}
	for _, m := range d.Media {
		switch {
		case m.Rejected:
		case m.Kind == control.KindData:
			plan.dataMID = m.MID
		case m.Sends:
			msid := m.Stream
			if msid == "" {
				msid = unnamedStream
			}
			key := trackKey{stream: control.StreamIDFor(user, msid), kind: m.Kind}
			key.nth = count[key]
			count[trackKey{stream: key.stream, kind: key.kind}]++
			plan.tracks[m.MID] = key
			plan.mids = append(plan.mids, m.MID)
			plan.mention(key.stream)
		}
	}
	if plan.dataMID != "" {
		if len(plan.order) == 0 {
			plan.mention(control.StreamIDFor(user, dataStream))
		}
		plan.dataID = plan.order[0]
	}
	if len(plan.order) > maxPublishedStreams {
		return nil, errorf(mediaapi.CodeSDPProcessOffer, "%d streams, at most %d are allowed",
			len(plan.order), maxPublishedStreams)
	}
	return plan, nil
}

func (p *publishPlan) mention(id control.StreamID) {
	if !slices.Contains(p.order, id) {
		p.order = append(p.order, id)
	}
}

// data is where the data channels go: where they went before, under whatever stream, so that they are not opened again.
func (p *publishPlan) data(before []*stream) *rtc.DataSource {
	if p.dataMID == "" {
		return nil
	}
	for _, s := range before {
		if s.data != nil && s.id == p.dataID {
			p.source = s.data
		}
	}
	if p.source == nil {
		p.source = rtc.NewDataSource()
	}
	return p.source
}

// streams are those of which the answer accepted something.
func (p *publishPlan) streams(
	user control.UserID, accepted []string, sources map[trackKey]*rtc.Source,
) []*stream {
	var streams []*stream
	for _, id := range p.order {
		s := &stream{id: id, user: user}
		for _, kind := range []string{control.KindAudio, control.KindVideo} {
			for _, mid := range p.mids {
				key := p.tracks[mid]
				if key.stream == id && key.kind == kind && slices.Contains(accepted, mid) {
					s.tracks = append(s.tracks, sources[key])
				}
			}
		}
		if p.dataID == id && slices.Contains(accepted, p.dataMID) {
			s.data = p.source
		}
		if len(s.tracks) > 0 || s.data != nil {
			streams = append(streams, s)
		}
	}
	return streams
}
