// Package buildinfo tells which build of Orkestro this process is.
package buildinfo

import "runtime/debug"

// Config is the setting that names the release of a process.
type Config struct {
	Release string `env:"ORKESTRO_RELEASE" help:"Name of the release that this process shows instead of its build's own."`
}

// Version is the release as it was named, or that of the build.
func (c Config) Version() string {
	if c.Release != "" {
		return c.Release
	}
	return Version()
}

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
