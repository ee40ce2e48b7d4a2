package control

import (
	"context"
	"runtime"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/process"
)

const (
	typeServerManager = "kurento.ServerManager"
	// maxCPUInterval bounds getUsedCpu; the JavaScript client itself gives up after 20 s.
	maxCPUInterval = time.Minute
)

// manager is the one ServerManager.
type manager struct {
	meta    *media.Meta
	version string
}

func newManager(version string) *manager {
	return &manager{meta: media.NewMeta(mediaapi.ServerManagerID), version: version}
}

// ID implements media.Object.
func (m *manager) ID() string { return mediaapi.ServerManagerID }

// Type implements media.Class.
func (m *manager) Type() string { return "ServerManager" }

// QualifiedType implements media.Class.
func (m *manager) QualifiedType() string { return typeServerManager }

// Hierarchy implements media.Class.
func (m *manager) Hierarchy() []string { return []string{"kurento.MediaObject"} }

// Parent implements media.Object.
func (m *manager) Parent() media.Object { return nil }

// Children implements media.Object.
func (m *manager) Children() []media.Object { return nil }

// Meta implements media.Object.
func (m *manager) Meta() *media.Meta { return m.meta }

// serverInfo is the protocol's register type ServerInfo.
type serverInfo struct {
	Module       string       `json:"__module__"`
	RegisterType string       `json:"__type__"`
	Version      string       `json:"version"`
	Modules      []moduleInfo `json:"modules"`
	Type         string       `json:"type"`
	Capabilities []string     `json:"capabilities"`
}

// moduleInfo is the protocol's register type ModuleInfo.
type moduleInfo struct {
	Module         string   `json:"__module__"`
	RegisterType   string   `json:"__type__"`
	Version        string   `json:"version"`
	Name           string   `json:"name"`
	GenerationTime string   `json:"generationTime"`
	Factories      []string `json:"factories"`
}

// info lists what can be created. The clients insist on the modules core, elements and filters.
func (m *manager) info(factories map[string][]string) serverInfo {
	info := serverInfo{
		Module: "kurento", RegisterType: "ServerInfo", Version: m.version, Type: "KMS",
		Capabilities: []string{"transactions"},
	}
	for _, name := range []string{"core", "elements", "filters", "orkestro"} {
		made := factories[name]
		if made == nil {
			made = []string{}
		}
		info.Modules = append(info.Modules, moduleInfo{
			Module: "kurento", RegisterType: "ModuleInfo", Version: m.version, Name: name,
			GenerationTime: m.meta.CreationTime().UTC().Format(time.RFC3339), Factories: made,
		})
	}
	return info
}

// serverManager is what ServerManager adds to MediaObject.
func serverManager(r *registry, factories func() map[string][]string) trait {
	operations := map[string]operation{
		"getInfo":     onObject(func(media.Object) any { return r.manager.info(factories()) }),
		"getMetadata": onObject(func(media.Object) any { return "" }),
		"getSessions": onObject(func(media.Object) any { return r.sessions.ids() }),
		// Listed without referencing, unlike Kurento's: a poller would keep all pipelines from expiring.
		"getPipelines":            onObject(func(media.Object) any { return idsOf(pipelines(r.media)) }),
		"getCpuCount":             onObject(func(media.Object) any { return runtime.NumCPU() }),
		"getUsedMemory":           onObject(func(media.Object) any { return process.MemoryBytes() / 1024 }), // KiB
		opGetUsedCPU:              getUsedCPU,
		"getKmd":                  getKMD,
		mediaapi.OpFleetPipelines: onObject(func(media.Object) any { return fleetPipelines(r.media) }),
		mediaapi.OpFleetEndpoints: onObject(func(media.Object) any { return fleetEndpoints(r.media) }),
		mediaapi.OpFleetViews:     onObject(func(media.Object) any { return fleetViews(r.media) }),
	}
	return trait{operations: operations, events: []string{media.EventObjectCreated, media.EventObjectDestroyed}}
}

func pipelines(m *media.Server) []media.Object {
	var objects []media.Object
	for _, p := range m.Pipelines() {
		objects = append(objects, p)
	}
	return objects
}

func fleetPipelines(m *media.Server) []mediaapi.FleetPipeline {
	list := []mediaapi.FleetPipeline{}
	for _, p := range m.Pipelines() {
		if p.Session() != "" {
			list = append(list, mediaapi.FleetPipeline{ID: p.ID(), Session: p.Session(), Epoch: p.Epoch()})
		}
	}
	return list
}

func fleetEndpoints(m *media.Server) []mediaapi.FleetEndpoint {
	list := []mediaapi.FleetEndpoint{}
	for _, p := range m.Pipelines() {
		for _, child := range p.Children() {
			if e, ok := child.(interface {
				User() control.UserID
				Join() control.JoinID
			}); ok {
				list = append(list, mediaapi.FleetEndpoint{ID: child.ID(), Pipeline: p.ID(), User: e.User(), Join: e.Join()})
			}
		}
	}
	return list
}

// opGetUsedCPU is the one operation that takes its time, see [connection.Accept].
const opGetUsedCPU = "getUsedCpu"

// getUsedCPU is the process's share of all processors in percent, measured over the interval (milliseconds) asked for.
func getUsedCPU(ctx context.Context, _ media.Object, p params) (any, error) {
	interval, err := required[int](p, "interval")
	if err != nil {
		return nil, err
	}
	wait := time.Duration(interval) * time.Millisecond
	if wait <= 0 || wait > maxCPUInterval {
		return nil, errorf(codeIllegalParam, "parameter 'interval' must be 1 to %d", maxCPUInterval.Milliseconds())
	}
	start, before := time.Now(), process.CPUTime()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	used := (process.CPUTime() - before).Seconds() / time.Since(start).Seconds()
	return 100 * used / float64(runtime.NumCPU()), nil
}

func getKMD(_ context.Context, _ media.Object, p params) (any, error) {
	name, err := required[string](p, "moduleName")
	if err != nil {
		return nil, err
	}
	return nil, errorf(codeKMDNotFound, "there is no module description of '%s' in this server", name)
}
