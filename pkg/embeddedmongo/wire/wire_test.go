package wire_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/x/mongo/driver/wiremessage"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/wire"
)

func body(tb testing.TB, command bson.D) []byte {
	tb.Helper()
	raw, err := bson.Marshal(command)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// message is an OP_MSG with these flags and sections.
func message(flags wiremessage.MsgFlag, sections ...[]byte) []byte {
	index, buf := wiremessage.AppendHeaderStart(nil, 7, 0, wiremessage.OpMsg)
	buf = wiremessage.AppendMsgFlags(buf, flags)
	for _, section := range sections {
		buf = append(buf, section...)
	}
	return bsoncore.UpdateLength(buf, index, int32(len(buf)))
}

func single(document []byte) []byte { return append([]byte{0}, document...) }

func sequence(name string, documents ...[]byte) []byte {
	payload := append([]byte(name), 0)
	for _, d := range documents {
		payload = append(payload, d...)
	}
	section := append([]byte{1}, bsoncore.AppendInt32(nil, int32(len(payload)+4))...)
	return append(section, payload...)
}

func TestRead_JoinsDocumentSequences(t *testing.T) {
	command := body(t, bson.D{{Key: "insert", Value: "c"}})
	docs := sequence("documents", body(t, bson.D{{Key: "a", Value: "1"}}), body(t, bson.D{{Key: "a", Value: "2"}}))
	want := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{
		bson.D{{Key: "a", Value: "1"}}, bson.D{{Key: "a", Value: "2"}},
	}}}
	for name, msg := range map[string][]byte{
		"body first": message(0, single(command), docs), "body last": message(0, docs, single(command)),
	} {
		request, err := wire.Read(bytes.NewReader(msg))
		if err != nil {
			t.Fatal(name, err)
		}
		if d := cmp.Diff(want, request.Command); d != "" {
			t.Error(name, d)
		}
	}
}

func TestRead_RefusesWrongMessages(t *testing.T) {
	ping := body(t, bson.D{{Key: "ping", Value: int32(1)}})
	deep := bson.D{}
	for range 300 {
		deep = bson.D{{Key: "d", Value: deep}}
	}
	for name, msg := range map[string][]byte{
		"unknown required flag": message(1<<5, single(ping)),
		"wrong checksum":        message(wiremessage.ChecksumPresent, single(ping), []byte{1, 2, 3, 4}),
		"two bodies":            message(0, single(ping), single(ping)),
		"no body":               message(0),
		"too deep":              message(0, single(body(t, deep))),
		"cut":                   message(0, single(ping))[:30],
		"too long":              {0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0},
	} {
		if _, err := wire.Read(bytes.NewReader(msg)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := wire.Read(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("clean end: %v", err)
	}
}

func TestWrite_CanBeRead(t *testing.T) {
	var buf bytes.Buffer
	reply := bson.D{{Key: "ok", Value: 1.0}}
	if err := wire.Write(&buf, &wire.Request{ID: 9}, reply); err != nil {
		t.Fatal(err)
	}
	back, err := wire.Read(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(reply, back.Command); d != "" {
		t.Error(d)
	}
}

func FuzzRead(f *testing.F) {
	ping := body(f, bson.D{{Key: "ping", Value: int32(1)}, {Key: "a", Value: bson.A{bson.D{}}}})
	f.Add(message(0, single(ping)))
	f.Add(message(0, single(ping), sequence("documents", ping, ping)))
	f.Fuzz(func(t *testing.T, data []byte) {
		request, err := wire.Read(bytes.NewReader(data))
		if err == nil && len(request.Command) == 0 {
			t.Error("a request without a command")
		}
	})
}
