// Package rtc is the WebRTC side of the media server and the only package that knows Pion: the network, peer
// connections, and the forwarding of packets from a published track to everybody who gets it. It is used by package
// media; it knows nothing of pipelines, users or the Kurento Protocol.
package rtc
