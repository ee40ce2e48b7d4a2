package bandwidth

import "time"

const (
	meterStep  = 25 * time.Millisecond
	meterSteps = 32
)

// meter counts what arrives, by the client's clock.
type meter struct {
	started bool
	first   int64 // step
	newest  int64
	bytes   [meterSteps]int64
}

func (m *meter) add(at time.Duration, size int) {
	step := int64(at / meterStep)
	if !m.started || step >= m.newest+meterSteps || step <= m.newest-meterSteps {
		*m = meter{started: true, first: step, newest: step}
	}
	for m.newest < step {
		m.newest++
		m.bytes[slot(m.newest)] = 0
	}
	m.first = min(m.first, step)
	m.bytes[slot(step)] += int64(size)
}

func slot(step int64) int64 { return ((step % meterSteps) + meterSteps) % meterSteps }

// rate is in bits per second over the window before the newest step, 0 until that long has been counted.
func (m *meter) rate(window time.Duration) float64 {
	steps := int64(window / meterStep)
	if !m.started || m.newest-m.first < steps {
		return 0
	}
	var total int64
	for step := m.newest - steps; step < m.newest; step++ {
		total += m.bytes[slot(step)]
	}
	return float64(total) * 8 / window.Seconds()
}
