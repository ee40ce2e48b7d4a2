// Package media is the object model of the media server: a registry of pipelines, the endpoints in them and what is
// connected to what. The control layer calls it for clients of the Kurento Protocol, package announce listens to its
// events. It knows neither JSON-RPC nor broker or database, and leaves WebRTC itself to package rtc.
package media
