package api

import (
	"embed"
	"net/http"
)

// web holds the two pages that a replica serves. Each is one file, and loads nothing but this API.
//
//go:embed web/*.html
var web embed.FS

// pagePolicy lets a page run what is in it and talk to the API it came from, nothing else.
const pagePolicy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func page(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := web.ReadFile("web/" + name)
		if err != nil { // cannot be: the files are compiled in
			notFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body)
	})
}
