package payload_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// bitWriter writes the fields of a descriptor.
type bitWriter struct {
	data []byte
	size int
}

func (w *bitWriter) put(width int, value uint32) {
	for i := width - 1; i >= 0; i-- {
		if w.size%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.size/8] |= byte(value>>i&1) << (7 - w.size%8)
		w.size++
	}
}

// mandatory writes the three bytes that each descriptor begins with.
func (w *bitWriter) mandatory(begin, end, template, number uint32) {
	w.put(1, begin)
	w.put(1, end)
	w.put(6, template)
	w.put(16, number)
}

// templates of two spatial layers with two temporal ones each, K-SVC: indications for the decode targets 1/1, 1/0, 0/1
// and 0/0, and how far back the frames are that each depends on.
var templatesL2T2 = []struct {
	next        uint32
	indications [4]uint32
	references  []uint32
	chains      [2]uint32
}{
	{0, [4]uint32{2, 2, 2, 2}, nil, [2]uint32{0, 0}},         // 0/0, keyframe
	{1, [4]uint32{0, 0, 2, 2}, []uint32{4}, [2]uint32{4, 3}}, // 0/0
	{2, [4]uint32{0, 0, 1, 0}, []uint32{2}, [2]uint32{2, 1}}, // 0/1
	{0, [4]uint32{2, 2, 0, 0}, []uint32{1}, [2]uint32{1, 1}}, // 1/0, of a keyframe
	{1, [4]uint32{2, 2, 0, 0}, []uint32{4}, [2]uint32{1, 4}}, // 1/0
	{3, [4]uint32{1, 0, 0, 0}, []uint32{2}, [2]uint32{3, 2}}, // 1/1
}

func keyframeL2T2() []byte {
	w := &bitWriter{}
	w.mandatory(1, 0, 60, 7)
	for _, flag := range []uint32{1, 0, 0, 0, 0} { // structure, active targets, own indications, references, chains
		w.put(1, flag)
	}
	w.put(6, 60) // template ids begin here
	w.put(5, 3)  // four decode targets
	for _, t := range templatesL2T2 {
		w.put(2, t.next)
	}
	for _, t := range templatesL2T2 {
		for _, indication := range t.indications {
			w.put(2, indication)
		}
	}
	for _, t := range templatesL2T2 {
		for _, distance := range t.references {
			w.put(1, 1)
			w.put(4, distance-1)
		}
		w.put(1, 0)
	}
	w.put(2, 2) // two chains, of 0 to 4
	for _, chain := range []uint32{1, 1, 0, 0} {
		w.put(1, chain)
	}
	for _, t := range templatesL2T2 {
		for _, distance := range t.chains {
			w.put(4, distance)
		}
	}
	w.put(1, 1)
	for _, pixels := range []uint32{320, 180, 640, 360} {
		w.put(16, pixels-1)
	}
	return w.data
}

func TestDependencies(t *testing.T) {
	var stream payload.Dependencies
	var d payload.Dependency
	if stream.Read([]byte{0xc0, 0, 1}, &d) {
		t.Fatal("read without a structure")
	}
	if !stream.Read(keyframeL2T2(), &d) {
		t.Fatal("the keyframe was not read")
	}
	want := payload.Info{Keyframe: true, Begin: true, SwitchUp: true, Width: 640, Height: 360}
	if got := d.Info(); got != want || !d.Structure || d.Number != 7 || d.ActiveTargets != 0xf || d.Targets() != 4 {
		t.Errorf("keyframe %+v of %+v", d.Info(), d)
	}
	if stream.Layers() != 2 || stream.Target(1, 1) != 0 || stream.Target(0, 0) != 3 || stream.Target(1, 2) != -1 {
		t.Errorf("%d layers, targets %d and %d", stream.Layers(), stream.Target(1, 1), stream.Target(0, 0))
	}
	if width, height := stream.Size(0); width != 320 || height != 180 {
		t.Errorf("lowest layer %dx%d", width, height)
	}

	w := &bitWriter{}
	w.mandatory(0, 1, (60+5)%64, 8) // the last template, whose id has gone round
	if !stream.Read(w.data, &d) {
		t.Fatal("a frame of layer 1/1 was not read")
	}
	if got := d.Info(); got != (payload.Info{End: true, Spatial: 1, Temporal: 1, Discardable: true}) {
		t.Errorf("frame %+v", got)
	}
	if d.For(0) != payload.Discardable || d.For(1) != payload.NotPresent || d.For(4) != payload.NotPresent {
		t.Errorf("indications %d, %d", d.For(0), d.For(1))
	}
}

func TestDependencies_FrameOfItsOwnKind(t *testing.T) {
	var stream payload.Dependencies
	var d payload.Dependency
	stream.Read(keyframeL2T2(), &d)
	w := &bitWriter{}
	w.mandatory(1, 1, 61, 9)
	for _, flag := range []uint32{0, 1, 1, 1, 1} {
		w.put(1, flag)
	}
	w.put(4, 0b0011) // only the lower two decode targets are sent
	for _, indication := range []uint32{0, 0, 3, 2} {
		w.put(2, indication)
	}
	w.put(2, 2) // a reference of eight bits, then no more
	w.put(8, 100)
	w.put(2, 0)
	w.put(16, 0x0a0b)
	if !stream.Read(w.data, &d) {
		t.Fatal("not read")
	}
	if d.ActiveTargets != 0b0011 || d.For(2) != payload.Required || d.For(3) != payload.Switch || d.Independent {
		t.Errorf("%+v", d)
	}
	if stream.Read(w.data[:len(w.data)-2], &d) {
		t.Error("read although it is cut short")
	}
}

func TestDependencies_BadStructureChangesNothing(t *testing.T) {
	var stream payload.Dependencies
	var d payload.Dependency
	keyframe := keyframeL2T2()
	stream.Read(keyframe, &d)
	for cut := 4; cut < len(keyframe); cut++ {
		if stream.Read(keyframe[:cut], &d) {
			t.Errorf("read %d bytes of it", cut)
		}
	}
	if stream.Layers() != 2 || !stream.Read([]byte{0x80 | 61, 0, 8}, &d) {
		t.Error("the structure before is lost")
	}
}

// A stream of any descriptors keeps to the bounds that a structure sets.
func TestDependencies_StaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream payload.Dependencies
		var d payload.Dependency
		for range rapid.IntRange(1, 20).Draw(t, "packets") {
			data := rapid.SliceOfN(rapid.Byte(), 0, 255).Draw(t, "extension")
			if rapid.Bool().Draw(t, "keyframe") {
				data = append(keyframeL2T2()[:rapid.IntRange(3, 20).Draw(t, "kept")], data...)
			}
			if !stream.Read(data, &d) {
				continue
			}
			if int(d.Spatial) >= stream.Layers() || d.Targets() > 32 || stream.Layers() > 4 {
				t.Fatalf("layer %d of %d, %d targets", d.Spatial, stream.Layers(), d.Targets())
			}
		}
	})
}

func FuzzDependencies(f *testing.F) {
	f.Add(keyframeL2T2(), []byte{0xc1, 0, 8})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var stream payload.Dependencies
		var d payload.Dependency
		stream.Read(first, &d)
		known := stream.Layers() > 0
		if stream.Read(second, &d) && !known && !d.Structure {
			t.Fatal("read without a structure")
		}
		_ = d.Info()
	})
}
