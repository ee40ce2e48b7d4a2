package recording_test

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
)

// Chromium shows no VP9 whose MP4 says that it is RGB, which zeros do.
func TestRecorder_ColorsOfVP9(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(t, "MP4")
		tp.play(t, "vp9.webm")
		tp.Stop()
		data, err := os.ReadFile(tp.path)
		if err != nil {
			t.Fatal(err)
		}
		// Profile 0, level 1, 8 bits of 4:2:0 in the studio's range, three times unspecified, nothing else.
		want := []byte("vpcC\x01\x00\x00\x00\x00\x0a\x82\x02\x02\x02\x00\x00")
		if at := bytes.Index(data, []byte("vpcC")); at < 0 || !bytes.HasPrefix(data[at:], want) {
			t.Errorf("%x, want %x", data[max(at, 0):][:len(want)], want)
		}
	})
}
