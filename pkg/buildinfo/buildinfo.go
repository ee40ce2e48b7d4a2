// Package buildinfo tells which build of Orkestro this process is.
package buildinfo

import "runtime/debug"

// version is set by the linker: -ldflags "-X github.com/orkestro/orkestro/pkg/buildinfo.version=v1.2.3".
var version string

// Version is the release, or the commit for a build from a checkout, or "dev".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return setting.Value[:12]
		}
	}
	return "dev"
}
