package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/restapi/app"
)

// offer is the least that is an SDP with a media section.
const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"

func TestAuth_Matrix(t *testing.T) {
	f := newFleet(t, 1, nil)
	one, other := f.session(), f.session()
	path, ada := f.user(one, "ada")
	_, bob := f.user(one, "bob")
	_, eve := f.user(other, "eve")
	in := "/v1/sessions/" + one
	const none, ok = 401, 0 // ok: not refused
	for _, c := range []struct {
		route                              string
		anonymous, key, own, mate, strange int
	}{
		{"GET /v1/sessions", none, ok, 403, 403, 403},
		{"GET " + in, none, ok, ok, ok, 403},
		{"DELETE /v1/sessions/unknown", none, 404, 403, 403, 403},
		{"GET " + in + "/users", none, ok, ok, ok, 403},
		{"POST " + in + "/users", none, ok, 403, 403, 403},
		{"GET " + path, none, ok, ok, ok, 403},
		{"POST " + path + "/token", none, ok, ok, 403, 403},
		{"DELETE " + path + "/publish", none, ok, ok, 403, 403},
		{"DELETE " + path + "/subscribe", none, ok, ok, 403, 403},
		{"GET " + path + "/messages", none, ok, ok, 403, 403},
		{"PATCH " + in + "/streams/x", none, 422, 422, 422, 403},
		{"PATCH " + path + "/streams/x", none, 422, 422, 403, 403},
		{"GET /v1/admin/servers", none, ok, 403, 403, 403},
		{"GET /v1/admin/audit", none, ok, 403, 403, 403},
		{"GET /v1/admin/replicas", none, ok, 403, 403, 403},
		{"POST /v1/admin/servers/x/drain", none, 404, 403, 403, 403},
		{"DELETE /v1/admin/servers/x/drain", none, 404, 403, 403, 403},
	} {
		method, address, _ := strings.Cut(c.route, " ")
		for bearer, want := range map[string]int{
			"": c.anonymous, "wrong": c.anonymous, apiKey: c.key, ada: c.own, bob: c.mate, eve: c.strange,
		} {
			a := f.call(bearer, method, address, nil)
			if (want == ok && a.status >= 300) || (want != ok && a.status != want) {
				t.Errorf("%s as %.8q: got %d %s, want %d", c.route, bearer, a.status, a.body, want)
			}
			if a.status == 401 && a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: 401 without WWW-Authenticate", c.route)
			}
		}
	}
	// The query carries a token only for event streams.
	f.problem(f.call("", "GET", path+"/messages?access_token="+ada, nil), 401, "unauthorized")
}

func TestProblems_OfEveryKind(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	path, token := f.user(session, "ada")
	big := strings.Repeat("x", 300*1024)
	for name, c := range map[string]struct {
		a      answer
		status int
		code   string
	}{
		"unknown route":    {f.call(apiKey, "GET", "/v2/x", nil), 404, "not_found"},
		"trailing slash":   {f.call(apiKey, "GET", "/v1/sessions/", nil), 404, "not_found"},
		"wrong method":     {f.call(apiKey, "PUT", "/v1/sessions", object{}), 405, "method_not_allowed"},
		"no JSON":          {f.call(apiKey, "POST", "/v1/sessions", "{"), 400, "invalid"},
		"no UTF-8":         {f.call(apiKey, "POST", "/v1/sessions", "{\"id\":\"\xff\"}"), 400, "invalid"},
		"no object":        {f.call(apiKey, "POST", "/v1/sessions", "[]"), 422, "invalid"},
		"unknown field":    {f.call(apiKey, "POST", "/v1/sessions", object{"idd": "x"}), 422, "invalid"},
		"name in capitals": {f.call(apiKey, "POST", "/v1/sessions", object{"ID": "x"}), 422, "invalid"},
		"empty id":         {f.call(apiKey, "POST", "/v1/sessions", object{"id": ""}), 422, "invalid"},
		"empty duration":   {f.call(apiKey, "POST", "/v1/sessions", object{"emptyTimeout": ""}), 422, "invalid"},
		"wrong type":       {f.call(apiKey, "POST", "/v1/sessions", object{"maxUsers": "2"}), 422, "invalid"},
		"bad id":           {f.call(apiKey, "POST", "/v1/sessions", object{"id": "a/b"}), 422, "invalid"},
		"dots":             {f.call(apiKey, "POST", "/v1/sessions", object{"id": ".."}), 422, "invalid"},
		"null metadata":    {f.call(apiKey, "POST", "/v1/sessions", `{"metadata":null}`), 422, "invalid"},
		"metadata list":    {f.call(apiKey, "POST", "/v1/sessions", `{"metadata":[]}`), 422, "invalid"},
		"negative users":   {f.call(apiKey, "POST", "/v1/sessions", object{"maxUsers": -1}), 422, "invalid"},
		"bad duration":     {f.call(apiKey, "POST", "/v1/sessions", object{"emptyTimeout": "soon"}), 422, "invalid"},
		"form":             {f.call(apiKey, "POST", "/v1/sessions", "a=b", "Content-Type", "text/plain"), 415, "unsupported_media_type"},
		"HTML wanted":      {f.call(apiKey, "GET", "/v1/sessions", nil, "Accept", "text/html"), 406, "not_acceptable"},
		"whole body":       {f.call(apiKey, "POST", "/v1/sessions", object{"id": big}), 413, "too_large"},
		"metadata size":    {f.call(apiKey, "POST", "/v1/sessions", object{"metadata": object{"a": big[:4096]}}), 413, "too_large"},
		"unknown session":  {f.call(apiKey, "GET", "/v1/sessions/none", nil), 404, "not_found"},
		"odd session":      {f.call(apiKey, "GET", "/v1/sessions/%ff%2F", nil), 404, "not_found"},
		"unknown user":     {f.call(apiKey, "GET", "/v1/sessions/"+session+"/users/none", nil), 404, "not_found"},
		"unknown server":   {f.call(apiKey, "GET", "/v1/admin/servers/none", nil), 404, "not_found"},
		"short token":      {f.call(apiKey, "POST", "/v1/sessions/"+session+"/users", object{"tokenTTL": "29s"}), 422, "invalid"},
		"long token":       {f.call(apiKey, "POST", "/v1/sessions/"+session+"/users", object{"tokenTTL": "25h"}), 422, "invalid"},
		"no body":          {f.call(token, "PUT", path+"/publish", nil), 422, "invalid"},
		"no SDP":           {f.call(token, "PUT", path+"/publish", object{"sdp": "x", "seq": 1, "epoch": 1}), 422, "invalid"},
		"SDP size":         {f.call(token, "PUT", path+"/publish", object{"sdp": offer + big[:128*1024], "seq": 1, "epoch": 1}), 413, "too_large"},
		"seq 0":            {f.call(token, "PUT", path+"/publish", object{"sdp": offer, "seq": 0, "epoch": 1}), 422, "invalid"},
		"stale epoch":      {f.call(token, "PUT", path+"/publish", object{"sdp": offer, "seq": 1, "epoch": 7}), 409, "stale_epoch"},
		"epoch 0":          {f.call(token, "PUT", path+"/publish", object{"sdp": offer, "seq": 1, "epoch": 0}), 409, "stale_epoch"},
		"skipped seq":      {f.call(token, "PUT", path+"/publish", object{"sdp": offer, "seq": 3, "epoch": 1}), 409, "conflict"},
		"early answer":     {f.call(token, "PUT", path+"/subscribe", object{"sdp": offer, "seq": 1, "epoch": 1}), 409, "conflict"},
		"no candidate":     {f.call(token, "POST", path+"/publish/candidates", `{"epoch":1,"candidates":[{"candidate":"x"}]}`), 422, "invalid"},
		"stale candidate":  {f.call(token, "POST", path+"/subscribe/candidates", `{"epoch":2,"candidates":[]}`), 409, "stale_epoch"},
		"many candidates":  {f.call(token, "POST", path+"/publish/candidates", `{"epoch":1,"candidates":[`+strings.Repeat(`{"candidate":""},`, 64)+`{"candidate":""}]}`), 422, "invalid"},
		"odd mode":         {f.call(token, "PUT", path+"/subscriptions", object{"mode": "some"}), 422, "invalid"},
		"odd kind":         {f.call(token, "PUT", path+"/subscriptions", `{"mode":"list","streams":[{"id":"x","kinds":["smell"]}]}`), 422, "invalid"},
		"unknown stream":   {f.call(token, "PATCH", "/v1/sessions/"+session+"/streams/x", object{"paused": true}), 404, "not_found"},
		"own unknown one":  {f.call(token, "PATCH", path+"/streams/x", object{"paused": true}), 404, "not_found"},
		"no type":          {f.call(token, "POST", path+"/messages", object{"data": 1}), 422, "invalid"},
		"no data":          {f.call(token, "POST", path+"/messages", object{"type": "x"}), 422, "invalid"},
		"data size":        {f.call(token, "POST", path+"/messages", object{"type": "x", "data": big[:16*1024]}), 413, "too_large"},
		"empty receiver":   {f.call(token, "POST", path+"/messages", object{"type": "x", "data": 1, "to": ""}), 422, "invalid"},
		"unknown receiver": {f.call(token, "POST", path+"/messages", object{"type": "x", "data": 1, "to": "none"}), 404, "not_found"},
		"wait":             {f.call(token, "GET", path+"/messages?wait=61s", nil), 422, "invalid"},
		"odd wait":         {f.call(token, "GET", path+"/messages?wait=x", nil), 422, "invalid"},
		"negative wait":    {f.call(token, "GET", path+"/messages?wait=-1", nil), 422, "invalid"},
		"limit 0":          {f.call(token, "GET", path+"/messages?limit=0", nil), 422, "invalid"},
		"limit 257":        {f.call(token, "GET", path+"/messages?limit=257", nil), 422, "invalid"},
		"unknown ack":      {f.call(token, "GET", path+"/messages?ack=AAAA", nil), 422, "invalid"},
		"odd key":          {f.call(apiKey, "POST", "/v1/sessions", object{}, "Idempotency-Key", "a b"), 422, "invalid"},
		"odd since":        {f.call(apiKey, "GET", "/v1/admin/audit?since=x", nil), 422, "invalid"},
		"drain":            {f.call(apiKey, "POST", "/v1/admin/servers/x/drain", object{"timeout": "1m", "then": "wait"}), 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			g := *f
			g.tb = t
			g.problem(c.a, c.status, c.code)
		})
	}
}

func TestCalls_ThatAreAccepted(t *testing.T) {
	f := newFleet(t, 1, nil)
	path, token := f.user(f.session(), "ada")
	candidate := `{"candidate":"candidate:1 1 udp 2113937151 x.local 5000 typ host","sdpMid":"0","sdpMLineIndex":null}`
	for _, c := range []struct {
		status      int
		route, body string
	}{
		{202, "PUT /publish", `{"sdp":"` + strings.ReplaceAll(offer, "\r\n", `\r\n`) + `","seq":1,"epoch":1}`},
		{204, "POST /publish/candidates", `{"epoch":1,"candidates":[` + candidate + `],"end":true}`},
		{204, "POST /subscribe/candidates", `{"epoch":1,"candidates":[]}`},
		{202, "POST /subscribe/offer", `{"epoch":1,"fresh":true}`},
		{204, "PUT /subscriptions", `{"mode":"list","streams":[{"id":"x","kinds":["audio"],"maxLayer":0}]}`},
		{204, "PUT /subscriptions", `{"mode":"all"}`},
		{202, "POST /messages", `{"type":"chat","data":null}`},
		{204, "DELETE /subscribe", ``},
		{204, "DELETE /publish", ``},
	} {
		method, rest, _ := strings.Cut(c.route, " ")
		f.must(c.status, token, method, path+rest, c.body)
	}
}

func TestPublish_SeqAndAnswer(t *testing.T) {
	f := newFleet(t, 2, nil)
	path, token := f.user(f.session(), "ada")
	var first, again struct {
		Connection, SDP string
		Seq, Epoch      int
	}
	body := object{"sdp": offer, "seq": 1, "epoch": 1}
	f.must(http.StatusOK, token, "PUT", path+"/publish", body, "Prefer", "wait=5").decode(t, &first)
	if first.Connection != "publish" || first.Seq != 1 || first.Epoch != 1 || first.SDP == "" {
		t.Fatalf("got %+v", first)
	}
	a := f.callAt(1, token, "PUT", path+"/publish", body, "Prefer", "wait=5")
	a.decode(t, &again)
	if a.status != 200 || again != first {
		t.Fatalf("repeated: got %s, want %+v", a.body, first)
	}
	body["seq"] = 3
	f.problem(f.call(token, "PUT", path+"/publish", body), 409, "conflict")
	body["seq"] = 2
	f.must(http.StatusAccepted, token, "PUT", path+"/publish", body)
	f.must(http.StatusOK, token, "POST", path+"/rejoin", nil)
	body["seq"] = 1
	f.must(http.StatusAccepted, token, "PUT", path+"/publish", body)
}

func TestHTTP_HeadCORSAndPages(t *testing.T) {
	f := newFleet(t, 1, nil)
	head := f.must(http.StatusOK, apiKey, "HEAD", "/v1/sessions", nil)
	if len(head.body) != 0 || head.header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %q %q", head.body, head.header.Get("Content-Type"))
	}
	path, token := f.user(f.session(), "ada")
	f.must(http.StatusOK, token, "HEAD", path+"/events", nil)
	if allow := f.call(apiKey, "PUT", "/v1/sessions", nil).header.Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow %q", allow)
	}
	preflight := f.call("", "OPTIONS", path+"/messages", nil, "Origin", "https://app.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key")
	if preflight.status >= 300 || preflight.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("preflight: %d %v", preflight.status, preflight.header)
	}
	if o := f.call(apiKey, "GET", "/v1/sessions", nil, "Origin", "https://evil.example").
		header.Get("Access-Control-Allow-Origin"); o != "" {
		t.Errorf("a strange origin is allowed: %q", o)
	}
	for _, page := range []string{"/docs", "/admin"} {
		a := f.must(http.StatusOK, "", "GET", page, nil)
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || strings.Contains(string(a.body), "https://") {
			t.Errorf("%s is not a page of its own", page)
		}
	}
	for _, probe := range []string{"/healthz", "/readyz", "/metrics"} {
		f.must(http.StatusOK, "", "GET", probe, nil)
	}
}

func TestOpenAPI_NamesEveryOperation(t *testing.T) {
	f := newFleet(t, 1, nil)
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	f.must(http.StatusOK, "", "GET", "/openapi.json", nil).decode(t, &spec)
	operations := 0
	for _, path := range spec.Paths {
		operations += len(path)
	}
	if !strings.HasPrefix(spec.OpenAPI, "3.1") || operations != 44 {
		t.Fatalf("OpenAPI %s with %d operations, want 3.1 with 44", spec.OpenAPI, operations)
	}
	var end struct {
		Responses map[string]struct{ Content object }
	}
	err := json.Unmarshal(spec.Paths["/v1/sessions/{sid}/whip/{id}"]["delete"], &end)
	if _, ok := end.Responses["200"]; err != nil || !ok || len(end.Responses["200"].Content) > 0 {
		t.Errorf("the end of a WHIP session: %+v, %v", end, err)
	}
}

func TestRateLimit_IsPerUser(t *testing.T) {
	f := newFleet(t, 1, func(c *app.Config) { c.UserRate, c.UserBurst = 1, 5 })
	path, token := f.user(f.session(), "ada")
	for range 5 {
		f.must(http.StatusOK, token, "GET", path, nil)
	}
	a := f.call(token, "GET", path, nil)
	f.problem(a, 429, "rate_limited")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.must(http.StatusOK, apiKey, "GET", path, nil)
}
