package recording

import (
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// h264Record is the AVCDecoderConfigurationRecord of ISO/IEC 14496-15 section 5.3.3.1 for one set of each kind.
func h264Record(t Track) []byte {
	if len(t.Sets) < 2 || len(t.Sets[0]) < 4 {
		return nil
	}
	sps, pps := t.Sets[0], t.Sets[1]
	record := []byte{1, sps[1], sps[2], sps[3], 0xFF, 0xE1}
	record = append(binary.BigEndian.AppendUint16(record, uint16(len(sps))), sps...)
	record = append(record, 1)
	record = append(binary.BigEndian.AppendUint16(record, uint16(len(pps))), pps...)
	var parsed h264.SPS
	if sps[1] >= 100 && parsed.Unmarshal(sps) == nil { // the high profiles say more of the picture
		record = append(record, 0xFC|byte(parsed.ChromaFormatIdc), 0xF8|byte(parsed.BitDepthLumaMinus8),
			0xF8|byte(parsed.BitDepthChromaMinus8), 0)
	}
	return record
}

// av1Record is the AV1CodecConfigurationRecord of "AV1 Codec ISO Media File Format Binding" section 2.3.3.
func av1Record(t Track) []byte {
	var header av1.SequenceHeader
	if len(t.Sets) == 0 || header.Unmarshal(t.Sets[0]) != nil || len(header.SeqLevelIdx) == 0 {
		return nil
	}
	color := header.ColorConfig
	flags := byte(color.ChromaSamplePosition) & 3
	for i, set := range []bool{
		color.SubsamplingY, color.SubsamplingX, color.MonoChrome, color.BitDepth == 12, color.BitDepth > 8,
		len(header.SeqTier) > 0 && header.SeqTier[0],
	} {
		if set {
			flags |= 4 << i
		}
	}
	record := []byte{0x81, header.SeqProfile<<5 | header.SeqLevelIdx[0], flags, 0}
	return append(record, withSize(t.Sets[0])...)
}

// withSize gives an OBU without a size its size (AV1 specification section 5.3.2).
func withSize(obu []byte) []byte {
	headerSize := 1
	if obu[0]&0x04 != 0 { // obu_extension_flag
		headerSize = 2
	}
	if obu[0]&0x02 != 0 || len(obu) < headerSize {
		return obu
	}
	sized := append([]byte{obu[0] | 0x02}, obu[1:headerSize]...)
	sized = binary.AppendUvarint(sized, uint64(len(obu)-headerSize)) // the same as leb128
	return append(sized, obu[headerSize:]...)
}
