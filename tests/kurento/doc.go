// Package kurento holds no code: its tests run programs of the real Kurento client for JavaScript, with real WebRTC, and
// requests as its client for Java makes them, against a media server that is part of no fleet.
package kurento
