// Package demo serves the demo page and stands in for the application's backend: it adds users with an API key, which
// the page never sees. `orkestro dev` mounts it at /demo/. It knows only the public HTTP API, and it lets everybody in
// who can reach it: it is for trying, not for production.
package demo

import (
	"embed"
	"io/fs"
	"net/http"

	js "github.com/orkestro/orkestro/clients/js"
)

// Config says where the API is.
type Config struct {
	APIURL       string // base URL under which this process reaches a REST replica
	APIKey       string // secret of an API key
	PublicAPIURL string // base URL under which browsers reach the API; "": the origin of the page
}

//go:embed page
var page embed.FS

// Handler serves everything below /demo/.
func Handler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /demo/sdk/", http.StripPrefix("/demo/sdk", http.FileServerFS(js.Files)))
	mux.Handle("GET /demo/", http.StripPrefix("/demo", http.FileServerFS(pageFiles())))
	mux.Handle("POST /demo/join", newBackend(cfg))
	return secured(mux, cfg.PublicAPIURL)
}

func pageFiles() fs.FS {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return files
}

// secured lets the page load and call nothing but its own origin, the API, and names of this machine (own_host.js).
func secured(next http.Handler, apiURL string) http.Handler {
	policy := "default-src 'self'; media-src 'self' blob: mediastream:; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self' http://*.localhost:* " + apiURL
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}
