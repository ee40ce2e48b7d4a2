package bandwidth_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

// link is a path to a client: a queue in front of a bottleneck, a delay, and losses that have nothing to do with either.
type link struct {
	rate   func(time.Duration) float64 // bit/s, by the time since the beginning
	queue  int                         // bytes
	delay  time.Duration               // one way
	loss   float64
	jitter time.Duration // at most, random; packets stay in order
	cross  func(time.Duration) float64

	random    *rand.Rand
	free      time.Duration // when the bottleneck has sent everything
	last      time.Duration // arrival of the latest
	crossed   float64       // bytes of the others that are not sent yet
	maxWait   time.Duration
	dropped   int
	delivered int
}

// send says when a packet arrives, if it does.
func (l *link) send(now time.Duration, size int) (time.Duration, bool) {
	if l.loss > 0 && l.random.Float64() < l.loss {
		l.dropped++
		return 0, false
	}
	rate := l.rate(now)
	start := max(now, l.free)
	if float64(start-now)/float64(time.Second)*rate/8 > float64(l.queue) {
		l.dropped++
		return 0, false
	}
	l.free = start + time.Duration(float64(size*8)/rate*float64(time.Second))
	l.maxWait = max(l.maxWait, l.free-now)
	arrival := l.free + l.delay
	if l.jitter > 0 {
		arrival += time.Duration(l.random.Int64N(int64(l.jitter)))
	}
	l.last = max(l.last, arrival)
	l.delivered++
	return l.last, true
}

// others sends the traffic of others for a millisecond.
func (l *link) others(now time.Duration) {
	if l.cross == nil {
		return
	}
	for l.crossed += l.cross(now) / 8 / 1000; l.crossed > packetBytes; l.crossed -= packetBytes {
		l.send(now, packetBytes)
	}
}

// sender is what is simulated: an estimate.
type sender interface {
	sent(size int) (sequence uint16)
	feedback(*rtcp.TransportLayerCC)
	rate() float64
}

const (
	packetBytes    = 1100
	frames         = 30 // a second
	feedbackPeriod = 100 * time.Millisecond
)

type own struct {
	history   *bandwidth.History
	estimator *bandwidth.Estimator
}

func newOwn() *own {
	history := &bandwidth.History{}
	return &own{history, bandwidth.NewEstimator(history)}
}

func (o *own) sent(size int) uint16               { return o.history.Add(size, time.Now()) }
func (o *own) feedback(fb *rtcp.TransportLayerCC) { o.estimator.Feedback(time.Now(), fb) }
func (o *own) rate() float64                      { return float64(o.estimator.Rate()) }

// packetInFlight is on the way to the client.
type packetInFlight struct {
	sequence uint16
	arrival  time.Duration
}

type feedbackInFlight struct {
	packet  *rtcp.TransportLayerCC
	arrival time.Duration
}

// path is a simulation of a sender, a link and a client that reports. It goes by the clock of a synctest bubble.
type path struct {
	link     *link
	sender   sender
	began    time.Time
	recorder *twcc.Recorder
	packets  []packetInFlight
	reports  []feedbackInFlight
	reported time.Duration
}

func newPath(l *link, s sender) *path {
	l.random = rand.New(rand.NewPCG(1, 2))
	return &path{link: l, sender: s, began: time.Now(), recorder: twcc.NewRecorder(1)}
}

func (p *path) now() time.Duration { return time.Since(p.began) }

func (p *path) send(size int) {
	sequence := p.sender.sent(size)
	if arrival, ok := p.link.send(p.now(), size); ok {
		p.packets = append(p.packets, packetInFlight{sequence, arrival})
	}
}

// step lets a millisecond go by.
func (p *path) step() {
	time.Sleep(time.Millisecond)
	now := p.now()
	p.link.others(now)
	for len(p.packets) > 0 && p.packets[0].arrival <= now {
		p.recorder.Record(1, p.packets[0].sequence, p.packets[0].arrival.Microseconds())
		p.packets = p.packets[1:]
	}
	if now-p.reported >= feedbackPeriod {
		p.reported = now
		for _, packet := range p.recorder.BuildFeedbackPacket() {
			p.reports = append(p.reports, feedbackInFlight{packet.(*rtcp.TransportLayerCC), now + p.link.delay})
		}
	}
	for len(p.reports) > 0 && p.reports[0].arrival <= now {
		p.sender.feedback(overTheWire(p.reports[0].packet))
		p.reports = p.reports[1:]
	}
}

func overTheWire(fb *rtcp.TransportLayerCC) *rtcp.TransportLayerCC {
	raw, err := fb.Marshal()
	if err != nil {
		panic(err)
	}
	parsed := &rtcp.TransportLayerCC{}
	if err := parsed.Unmarshal(raw); err != nil {
		panic(err)
	}
	return parsed
}

// encoder sends frames at a rate that follows the estimate.
type encoder struct {
	limit float64 // bit/s
	next  time.Duration
	debt  float64 // bytes
}

func (e *encoder) run(p *path) {
	if p.now() < e.next {
		return
	}
	e.next += time.Second / frames
	for e.debt += min(p.sender.rate(), e.limit) / 8 / frames; e.debt > 0; e.debt -= packetBytes {
		p.send(packetBytes)
	}
}

// run simulates for a time and returns the mean of the rate and the longest wait in the queue in the last part of it.
func (p *path) run(e *encoder, total, last time.Duration) (rate float64, wait time.Duration) {
	end := p.now() + total
	var sum float64
	var count int
	for now := p.now(); now < end; now = p.now() {
		if now < end-last {
			p.link.maxWait = 0
		} else {
			sum += p.sender.rate()
			count++
		}
		e.run(p)
		p.step()
	}
	return sum / float64(count), p.link.maxWait
}

func constant(rate float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return rate }
}

const mbit = 1e6

type scenario struct {
	name     string
	link     link
	low      float64 // of the capacity, that the estimate has to reach
	high     float64
	capacity float64 // at the end
	wait     time.Duration
}

func scenarios() []scenario {
	drop := func(t time.Duration) float64 {
		if t < 30*time.Second {
			return 2 * mbit
		}
		return 0.5 * mbit
	}
	dropAndReturn := func(t time.Duration) float64 {
		if t > 15*time.Second && t < 30*time.Second {
			return 0.4 * mbit
		}
		return 2 * mbit
	}
	crossing := func(t time.Duration) float64 {
		if t < 20*time.Second {
			return 0
		}
		return 1 * mbit
	}
	return []scenario{
		{"300 kbit/s", link{rate: constant(.3 * mbit), queue: 50e3, delay: 20e6}, .75, 1.1, .3 * mbit, 400e6},
		{"1 Mbit/s", link{rate: constant(1 * mbit), queue: 100e3, delay: 20e6}, .75, 1.1, 1 * mbit, 300e6},
		{"3 Mbit/s, far away", link{rate: constant(3 * mbit), queue: 300e3, delay: 120e6}, .7, 1.1, 3 * mbit, 400e6},
		{"short queue", link{rate: constant(1 * mbit), queue: 10e3, delay: 20e6}, .7, 1.15, 1 * mbit, 150e6},
		{"very short queue", link{rate: constant(1 * mbit), queue: 4e3, delay: 20e6}, .7, 1.15, 1 * mbit, 150e6},
		{"2 % lost", link{rate: constant(1 * mbit), queue: 100e3, delay: 20e6, loss: .02}, .4, 1.1, 1 * mbit, 300e6},
		{"5 % lost", link{rate: constant(1 * mbit), queue: 100e3, delay: 20e6, loss: .05}, .25, 1.1, 1 * mbit, 300e6},
		{"jitter", link{rate: constant(1 * mbit), queue: 100e3, delay: 20e6, jitter: 15e6}, .6, 1.15, 1 * mbit, 400e6},
		{"drop", link{rate: drop, queue: 100e3, delay: 20e6}, .7, 1.1, .5 * mbit, 400e6},
		{"drop and return", link{rate: dropAndReturn, queue: 100e3, delay: 20e6}, .7, 1.1, 2 * mbit, 300e6},
		{"1 of 2 Mbit/s taken", link{rate: constant(2 * mbit), queue: 100e3, delay: 20e6, cross: crossing}, .6, 1.15, 1 * mbit, 400e6},
	}
}

func TestEstimator_FindsTheCapacity(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPath(&s.link, newOwn())
				rate, wait := p.run(&encoder{limit: 10 * mbit}, time.Minute, 20*time.Second)
				t.Logf("%.0f kbit/s of %.0f, longest wait %v", rate/1e3, s.capacity/1e3, wait)
				if rate < s.low*s.capacity || rate > s.high*s.capacity {
					t.Errorf("estimate is %.0f kbit/s of %.0f", rate/1e3, s.capacity/1e3)
				}
				if wait > s.wait {
					t.Errorf("packets waited for %v", wait)
				}
			})
		})
	}
}
