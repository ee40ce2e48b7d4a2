// Package payload reads RTP payloads as far as a forwarder needs it: where frames and keyframes begin, which Layer a
// packet is of, and what must be renumbered when packets are left out. It is used by package rtc. It knows no
// connections and keeps no packets: every function looks at bytes that the caller owns, allocates nothing and takes any
// input, because payloads come from outside.
package payload
