package kurento_test

import "testing"

// The tutorials' flows, each with pictures and sound that are really received.
func TestFlows(t *testing.T) {
	for _, name := range []string{
		"hello_world.js", "one2many.js", "one2one.js", "group_call.js", "data_channel.js", "hubs.js", "rtp.js",
		"recording.js", "server_offers.js", "events.js",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runProgram(t, nil, name, server.URL())
		})
	}
}
