package payload

// What follows a template in the list of them (section A.8.3, next_layer_idc).
const (
	sameLayer = iota
	nextTemporal
	nextSpatial
	noMore
)

// read reads template_dependency_structure.
func (s *dependencyStructure) read(b *bits) bool {
	s.offset = b.read(6)
	s.targets = int(b.read(5)) + 1
	if !s.readLayers(b) {
		return false
	}
	s.readIndications(b)
	s.readReferences(b)
	s.readChains(b)
	s.setTargetLayers()
	if s.sized = b.flag(); s.sized {
		for i := range s.spatial {
			s.width[i], s.height[i] = uint16(b.read(16)), uint16(b.read(16))
		}
	}
	return !b.short
}

func (s *dependencyStructure) readLayers(b *bits) bool {
	var spatial, temporal uint8
	for !b.short {
		if s.count == maxTemplates || spatial >= maxSpatialLayers || temporal > maxTemporal {
			return false
		}
		s.templates[s.count].spatial, s.templates[s.count].temporal = spatial, temporal
		s.count++
		switch b.read(2) {
		case nextTemporal:
			temporal++
		case nextSpatial:
			spatial++
			temporal = 0
		case noMore:
			s.spatial = int(spatial) + 1
			return true
		}
	}
	return false
}

func (s *dependencyStructure) readIndications(b *bits) {
	for i := range s.count {
		for target := range s.targets {
			s.templates[i].indications[target] = Indication(b.read(2))
		}
	}
}

func (s *dependencyStructure) readReferences(b *bits) {
	for i := range s.count {
		s.templates[i].independent = true
		for b.flag() {
			b.read(4)
			s.templates[i].independent = false
		}
	}
}

// readChains steps over the chains: only their number is needed, to find what comes after them.
func (s *dependencyStructure) readChains(b *bits) {
	s.chains = int(b.nonSymmetric(uint32(s.targets) + 1))
	if s.chains == 0 {
		return
	}
	for range s.targets {
		b.nonSymmetric(uint32(s.chains))
	}
	for range s.count * s.chains {
		b.read(4)
	}
}

func (s *dependencyStructure) setTargetLayers() {
	for target := range s.targets {
		for _, t := range s.templates[:s.count] {
			if t.indications[target] != NotPresent {
				layers := &s.layers[target]
				layers.spatial, layers.temporal = max(layers.spatial, t.spatial), max(layers.temporal, t.temporal)
			}
		}
	}
}
