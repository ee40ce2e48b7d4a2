// Package playback reads media files and sends what is in them as RTP, as it is, without decoding it: WebM, Matroska,
// MP4, Ogg and IVF with VP8, VP9, AV1 or H264 and Opus. The media package gives it a file and what to feed. It knows
// nothing of peer connections, pipelines or the Kurento Protocol.
//
// The files may be anybody's: no size in them is believed, and what is read at once is bounded. That is why the
// containers are read here. The libraries that write them for package recording take a whole file, or as much memory as
// it names, when they read.
package playback
