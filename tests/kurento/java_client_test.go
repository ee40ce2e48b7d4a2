package kurento_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
)

const callTimeout = 20 * time.Second

type fields = map[string]any

// notice is an event as it comes.
type notice struct {
	Value struct {
		Object, Type string
		Data         fields
	}
}

// javaClient makes requests as Kurento's client for Java does: it connects first, names modules, describes nothing and
// does much in transactions.
type javaClient struct {
	*jsonrpc.Client

	t       *testing.T
	session any
	notices chan notice
}

func newJavaClient(t *testing.T, url string) *javaClient {
	t.Helper()
	conn, err := ws.Dial(t.Context(), url, ws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := &javaClient{t: t, notices: make(chan notice, 1000)} // more than any test causes
	c.Client = jsonrpc.NewClient(conn, func(_ string, params json.RawMessage) {
		var n notice
		if err := json.Unmarshal(params, &n); err != nil {
			t.Errorf("event %s: %v", params, err)
		}
		c.notices <- n
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask makes a request in the session, if there is one.
func (c *javaClient) ask(method string, params fields) (fields, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), callTimeout)
	defer cancel()
	if params == nil {
		params = fields{}
	}
	if c.session != nil {
		params["sessionId"] = c.session
	}
	var result fields
	err := c.Call(ctx, method, params, &result)
	return result, err
}

// must is ask for what has to succeed; every result names the session.
func (c *javaClient) must(method string, params fields) fields {
	c.t.Helper()
	result, err := c.ask(method, params)
	if err != nil {
		c.t.Fatalf("%s %v: %v", method, params, err)
	}
	if c.session != nil && result["sessionId"] != c.session {
		c.t.Errorf("%s answers of session %v, not %v", method, result["sessionId"], c.session)
	}
	return result
}

func (c *javaClient) connect() fields {
	c.t.Helper()
	result := c.must("connect", nil)
	c.session = result["sessionId"]
	return result
}

func (c *javaClient) invoke(object, operation string, params fields) any {
	c.t.Helper()
	return c.must("invoke", fields{"object": object, "operation": operation, "operationParams": params})["value"]
}

// transaction gives the values of its operations, all of which must succeed.
func (c *javaClient) transaction(operations ...fields) []string {
	c.t.Helper()
	for i, operation := range operations {
		operation["id"], operation["jsonrpc"] = i, "2.0"
	}
	var values []string
	responses, _ := c.must("transaction", fields{"operations": operations})["value"].([]any)
	for _, response := range responses {
		result, ok := response.(fields)["result"].(fields)
		if !ok {
			c.t.Fatalf("response %v", response)
		}
		values = append(values, fmt.Sprint(result["value"]))
	}
	return values
}

func newObject(kind string, params fields) fields {
	return fields{"method": "create", "params": fields{"type": kind, "constructorParams": params}}
}

// code is the protocol's code of an error, 0 for none.
func code(err error) int {
	var coded *jsonrpc.Error
	if errors.As(err, &coded) {
		return coded.Code
	}
	return 0
}

// negotiate has an endpoint answer a browser; candidates of the browser go to it as they are found.
func (c *javaClient) negotiate(endpoint string, browser *caller) {
	c.t.Helper()
	browser.OnICECandidate(func(found *webrtc.ICECandidate) {
		if found == nil {
			return
		}
		init := found.ToJSON()
		_, err := c.ask("invoke", fields{"object": endpoint, "operation": "addIceCandidate", "operationParams": fields{
			"candidate": fields{
				"candidate": init.Candidate, "sdpMid": *init.SDPMid, "sdpMLineIndex": *init.SDPMLineIndex,
				"__module__": "kurento", "__type__": "IceCandidate",
			},
		}})
		if err != nil && c.t.Context().Err() == nil {
			c.t.Errorf("addIceCandidate: %v", err)
		}
	})
	offer, err := browser.CreateOffer(nil)
	if err == nil {
		err = browser.SetLocalDescription(offer)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	answer := fmt.Sprint(c.invoke(endpoint, "processOffer", fields{"offer": offer.SDP}))
	c.invoke(endpoint, "gatherCandidates", nil)
	if err := browser.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		c.t.Fatal(err)
	}
}

// serveUntil passes the server's candidates on until something has happened, and checks every event on the way.
func (c *javaClient) serveUntil(callers map[string]*caller, happened <-chan struct{}) {
	c.t.Helper()
	late := time.After(callTimeout)
	for {
		select {
		case <-happened:
			return
		case <-late:
			c.t.Fatal("no media")
		case n := <-c.notices:
			if n.Value.Data["source"] != n.Value.Object || n.Value.Data["type"] != n.Value.Type || n.Value.Data["tags"] == nil {
				c.t.Errorf("event %+v", n)
			}
			if n.Value.Type != "IceCandidateFound" {
				continue
			}
			found, _ := n.Value.Data["candidate"].(fields)
			mid := fmt.Sprint(found["sdpMid"])
			err := callers[n.Value.Object].AddICECandidate(webrtc.ICECandidateInit{
				Candidate: fmt.Sprint(found["candidate"]), SDPMid: &mid,
			})
			if err != nil {
				c.t.Error(err)
			}
		}
	}
}
