package api

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
	"text/template"

	"github.com/orkestro/orkestro/pkg/csp"
)

// web holds the two pages that a replica serves, and what they are made of.
//
//go:embed web
var web embed.FS

// page serves a page as one document that loads nothing but this API, so that a browser never has parts of two
// releases. It runs what was put into it here, and nothing that came into it later.
func page(name string) http.Handler {
	body, err := assemble(name)
	if err != nil {
		panic(err) //nolint:forbidigo // cannot be: the files are compiled in
	}
	policy := "default-src 'none'; script-src " + csp.Inline(body, "script") + "; style-src " + csp.Inline(body, "style") +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // the next release has another page
		_, _ = w.Write([]byte(body))       // the browser is gone: nobody left to tell
	})
}

// assemble puts the files that a page includes, each by {{include "admin/page.js"}}, into it.
func assemble(name string) (string, error) {
	include := func(file string) (string, error) {
		text, err := fs.ReadFile(web, "web/"+file)
		return string(text), err
	}
	source, err := include(name)
	if err != nil {
		return "", err
	}
	page, err := template.New(name).Funcs(template.FuncMap{"include": include}).Parse(source)
	if err != nil {
		return "", err
	}
	var body strings.Builder
	err = page.Execute(&body, nil)
	return body.String(), err
}
