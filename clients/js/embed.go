// Package js holds the browser SDK, so that Go programs can serve it next to the pages that use it. It knows nothing of
// those pages and nothing of the services.
package js

import "embed"

// Files are the ES modules of the SDK; orkestro.js is the one to import.
//
//go:embed orkestro.js orkestro.d.ts src/*.js
var Files embed.FS
