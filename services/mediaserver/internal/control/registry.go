package control

import (
	"log/slog"
	"strings"

	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// registry finds the objects that clients name, and lets go of them with all that this package keeps about them. Safe
// for concurrent use.
type registry struct {
	media      *media.Server
	manager    *manager
	sessions   *sessions
	properties *properties
	log        *slog.Logger
}

func newRegistry(m *media.Server, version string, logger *slog.Logger) *registry {
	return &registry{
		media: m, manager: newManager(version), sessions: newSessions(), properties: newProperties(), log: logger,
	}
}

// find gives a live object, the ServerManager included.
func (r *registry) find(id reference) (media.Object, error) {
	if id == mediaapi.ServerManagerID {
		return r.manager, nil
	}
	if strings.HasPrefix(string(id), newReference) {
		return nil, errorf(codeNoCommit, "'%s' means something within a transaction only", id)
	}
	object, found := r.media.Object(string(id))
	if !found {
		return nil, errObjectNotFound(string(id))
	}
	return object, nil
}

// named finds the object that the parameter name of an operation or constructor refers to, which has to be a T.
func named[T media.Object](r *registry, p params, name, class string) (T, error) {
	var none T
	id, err := required[reference](p, name)
	if err != nil {
		return none, err
	}
	object, err := r.find(id)
	if err != nil {
		return none, err
	}
	wanted, ok := object.(T)
	if !ok {
		return none, errorf(codeMarshall, "parameter '%s': '%s' is no %s", name, id, class)
	}
	return wanted, nil
}

// reference has a session hold an object.
func (r *registry) reference(session string, o media.Object) error {
	if root := rootOf(o.ID()); root != "" {
		return r.sessions.reference(session, root)
	}
	return nil
}

// releaseOrphans releases pipelines that no session references, but for those of the fleet.
func (r *registry) releaseOrphans(pipelines []string) {
	for _, id := range pipelines {
		object, found := r.media.Object(id)
		if !found {
			continue
		}
		if pipeline, ok := object.(*media.Pipeline); ok && pipeline.Session() == "" {
			r.log.Info("pipeline released: its last session is gone", logging.KeyPipeline, id)
			r.release(pipeline)
		}
	}
}

// release ends an object and everything in it. Nobody hears of them any more but listeners of the ServerManager.
func (r *registry) release(o media.Object) {
	r.forgetTree(o)
	r.media.Release(o.ID())
}

func (r *registry) forgetTree(o media.Object) {
	for _, child := range o.Children() {
		r.forgetTree(child)
	}
	r.forget(o.ID())
}

func (r *registry) forget(id string) {
	r.sessions.forget(id)
	r.properties.forget(id)
}

// rootOf is the id of the pipeline that an object is in, "" for the ServerManager.
func rootOf(id string) string {
	if id == mediaapi.ServerManagerID {
		return ""
	}
	root, _, _ := strings.Cut(id, "/")
	return root
}
