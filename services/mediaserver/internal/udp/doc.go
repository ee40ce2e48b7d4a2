// Package udp is the fast path of the media server: UDP sockets whose packets leave in few system calls. Package rtc
// opens them and gives them to the ICE library; this package knows nothing of ICE, SRTP or streams.
//
// A packet of a publisher leaves once for each of its receivers, and with one system call a copy most of the processor
// time of a server is the kernel's. So media packets are collected and leave together (group commit): while one batch
// is sent, the next fills. In a batch the packets of equal size to one destination, the rest of a video frame, become
// one message that the kernel cuts up again (UDP generic segmentation offload, Linux 4.18), having gone through its
// network stack once; and all messages of a batch share a few calls of sendmmsg(2). Where that is not to be had, each
// packet is written by itself.
//
//	WriteTo -> filling batch ──(swap)──> flusher: hold, group, sendmmsg
//	   └─ STUN, DTLS: written at once
package udp
