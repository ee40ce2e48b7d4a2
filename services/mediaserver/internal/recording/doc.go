// Package recording writes what is forwarded into WebM, Matroska and MP4 files, as it comes, without decoding it. The
// media package hands it the RTP packets of an audio and a video track; it puts frames together, places them in time
// and writes them in fragments, each whole when it is in the file, so that a file can be played up to its last fragment
// whatever becomes of the process. It knows nothing of peer connections, pipelines or the Kurento Protocol.
package recording
