package rtc

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is lost, late or left out: what was sent has numbers without gaps but those of what is missing, and every
// number leads back to its packet.
func TestStretch_NumbersAreDenseAndInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const base = firstSequence + 1
		s := stretch{base: base, highest: base - 1, offset: rapid.Uint64Range(0, 1<<40).Draw(t, "offset")}
		total := rapid.IntRange(1, 700).Draw(t, "packets")
		unwanted, lost := map[uint64]bool{}, map[uint64]bool{}
		var late []uint64
		numbers := map[uint64]uint64{} // by packet
		give := func(n uint64) {
			if unwanted[n] && s.leaveOut(n) {
				return
			}
			number, ok := s.send(n)
			if !ok {
				t.Fatalf("packet %d of %d got no number", n, s.highest)
			}
			numbers[n] = number
		}
		for i := range uint64(total) {
			n := base + i
			unwanted[n] = rapid.IntRange(0, 3).Draw(t, "unwanted") == 0
			switch rapid.IntRange(0, 9).Draw(t, "fate") {
			case 0:
				lost[n] = true
			case 1:
				late = append(late, n)
			default:
				give(n)
			}
			if len(late) > 0 && rapid.Bool().Draw(t, "late one comes") {
				give(late[0])
				late = late[1:]
			}
		}
		for _, n := range late {
			lost[n] = true
		}
		next, known := uint64(0), false
		for n := uint64(base); n < base+uint64(total); n++ {
			number, sent := numbers[n]
			switch {
			case sent && known && number != next:
				t.Fatalf("packet %d got %d, want %d", n, number, next)
			case sent:
				next, known = number+1, true
			case lost[n]:
				next++ // its number stays free, so that it can be asked for
			}
			if sent && s.highest-n < window {
				if original, ok := s.original(number); !ok || original != n {
					t.Fatalf("%d stands for %d, %v, want %d", number, original, ok, n)
				}
			}
		}
	})
}
