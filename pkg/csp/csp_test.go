package csp_test

import (
	"testing"

	"github.com/orkestro/orkestro/pkg/csp"
)

func TestInline(t *testing.T) {
	const (
		document = "<style>a{}</style><styles>b{}</styles>\n<script type=\"module\">\"use\n<b>\";</script><script>1</script>"
		// As `printf ... | openssl dgst -sha256 -binary | base64` gives them.
		style   = "'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk=' "
		scripts = "'sha256-4JL2+qGjUH8zzYKM+JObyWWY9HylZVf5gfjhJ07n8SI=' " +
			"'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=' "
	)
	if got := csp.Inline(document, "style"); got != style {
		t.Errorf("styles: %s", got)
	}
	if got := csp.Inline(document, "script"); got != scripts {
		t.Errorf("scripts: %s", got)
	}
	if got := csp.Inline("<p>script</p>", "script"); got != "" {
		t.Errorf("of a page without: %s", got)
	}
}
