// Package bandwidth estimates what a connection carries to its client, finds out when it would carry more, and
// divides it among the videos. It is pure: it has no goroutine, no timer and no clock of its own, and sends nothing.
// The package rtc calls it; it must not know of connections and tracks.
package bandwidth
