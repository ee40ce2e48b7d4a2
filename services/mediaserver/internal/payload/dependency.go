package payload

// Bounds of the Dependency Descriptor ("RTP Payload Format For AV1", appendix A.8).
const (
	maxTemplates     = 64
	maxDecodeTargets = 32
	maxSpatialLayers = 4
	maxTemporal      = 7
)

// Indication says what a frame is to a decode target, which is one choice of layers (section A.2).
type Indication uint8

// The indications.
const (
	NotPresent  Indication = iota // not a part of it
	Discardable                   // a part that no other frame needs
	Switch                        // all later ones can be decoded from here on
	Required                      // another frame may need it
)

// Dependencies reads the Dependency Descriptor extension of one stream and keeps the structure that comes with its
// keyframes, about 4 KB. The zero value has none yet.
type Dependencies struct {
	known     bool
	structure dependencyStructure
}

// dependencyStructure is what all frames of a coded video sequence have in common.
type dependencyStructure struct {
	offset    uint32 // of template ids
	templates [maxTemplates]dependencyTemplate
	count     int // of templates
	targets   int // decode targets
	chains    int
	layers    [maxDecodeTargets]struct{ spatial, temporal uint8 } // the highest of each target
	spatial   int                                                 // spatial layers
	width     [maxSpatialLayers]uint16                            // in pixels less one
	height    [maxSpatialLayers]uint16
	sized     bool
}

type dependencyTemplate struct {
	spatial, temporal uint8
	independent       bool // depends on no frame
	indications       [maxDecodeTargets]Indication
}

// Dependency is what the descriptor says of one packet's frame.
type Dependency struct {
	Begin, End  bool // first and last packet of the frame, which is of one spatial layer
	Independent bool // depends on no other frame: with Begin and Spatial 0 a keyframe
	Number      uint16
	Spatial     uint8
	Temporal    uint8
	// Structure: the packet brings the structure that the following ones need.
	Structure bool
	// ActiveTargets has a bit for each decode target that is being sent; 0 when the packet does not say.
	ActiveTargets uint32

	Width, Height uint16 // of the largest spatial layer, with Structure

	indications [maxDecodeTargets]Indication
	targets     int
}

// Targets is the number of decode targets.
func (d *Dependency) Targets() int { return d.targets }

// For is what the frame is to a decode target. Target 0 is the highest layers in what browsers send.
func (d *Dependency) For(target int) Indication {
	if target < 0 || target >= d.targets {
		return NotPresent
	}
	return d.indications[target]
}

// Target is the decode target of exactly the given layers, -1 when there is none.
func (r *Dependencies) Target(spatial, temporal uint8) int {
	for i := range r.structure.targets {
		if l := r.structure.layers[i]; l.spatial == spatial && l.temporal == temporal {
			return i
		}
	}
	return -1
}

// Layers is the number of spatial layers, 0 as long as no structure came.
func (r *Dependencies) Layers() int { return r.structure.spatial }

// Size is the picture size of a spatial layer, 0 where the structure does not say.
func (r *Dependencies) Size(spatial int) (width, height uint16) {
	s := &r.structure
	if !s.sized || spatial < 0 || spatial >= s.spatial {
		return 0, 0
	}
	return pixels(s.width[spatial]), pixels(s.height[spatial])
}

func pixels(lessOne uint16) uint16 {
	if lessOne == 0xffff {
		return lessOne
	}
	return lessOne + 1
}

// Read reads the extension of the next packet into d. It reports false, and d is to be ignored, when the extension is
// cut short or makes no sense, or when the structure that it needs has not come. A structure that makes no sense leaves
// the one before as it was.
func (r *Dependencies) Read(extension []byte, d *Dependency) bool {
	b := bits{data: extension}
	*d = Dependency{Begin: b.flag(), End: b.flag()}
	template := b.read(6)
	d.Number = uint16(b.read(16))
	structure := &r.structure
	var custom frameFlags
	if len(extension) > 3 {
		present, active := b.flag(), b.flag()
		custom = frameFlags{b.flag(), b.flag(), b.flag()}
		if present {
			var fresh dependencyStructure
			if !fresh.read(&b) {
				return false
			}
			r.structure, r.known, d.Structure = fresh, true, true
			d.ActiveTargets = 1<<fresh.targets - 1
		}
		if active {
			d.ActiveTargets = b.read(structure.targets)
		}
	}
	if b.short || !r.known {
		return false
	}
	return d.define(&b, structure, template, custom)
}

// frameFlags say what the frame has of its own instead of what its template says.
type frameFlags struct{ indications, references, chains bool }

// define reads frame_dependency_definition.
func (d *Dependency) define(b *bits, s *dependencyStructure, template uint32, custom frameFlags) bool {
	index := int((template + maxTemplates - s.offset) % maxTemplates)
	if index >= s.count {
		return false
	}
	t := &s.templates[index]
	d.Spatial, d.Temporal, d.targets = t.spatial, t.temporal, s.targets
	d.Independent, d.indications = t.independent, t.indications
	if custom.indications {
		for i := range s.targets {
			d.indications[i] = Indication(b.read(2))
		}
	}
	if custom.references {
		d.Independent = true
		for size := b.read(2); size != 0 && !b.short; size = b.read(2) {
			b.read(4 * int(size))
			d.Independent = false
		}
	}
	if custom.chains {
		for range s.chains {
			b.read(8)
		}
	}
	if d.Structure && s.sized {
		d.Width, d.Height = pixels(s.width[s.spatial-1]), pixels(s.height[s.spatial-1])
	}
	return !b.short
}

// Info is the dependency in the words of all formats. SwitchUp: there is a decode target that one can switch to here,
// For tells which.
func (d *Dependency) Info() Info {
	info := Info{
		Keyframe: d.Begin && d.Independent && d.Spatial == 0,
		Begin:    d.Begin, End: d.End, Spatial: d.Spatial, Temporal: d.Temporal,
		Discardable: true, Width: d.Width, Height: d.Height,
	}
	for _, indication := range d.indications[:d.targets] {
		info.SwitchUp = info.SwitchUp || indication == Switch
		info.Discardable = info.Discardable && indication <= Discardable
	}
	return info
}
