// Package arch holds no code: its tests fail when an import breaks the rules that keep the parts of Orkestro apart.
package arch
