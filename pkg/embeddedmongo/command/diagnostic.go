package command

import (
	"context"
	"os"
	"runtime"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// diagnosticCommands are what mongosh and monitoring ask; the answers are true but short.
func (h *Handler) diagnosticCommands() map[string]command {
	return map[string]command{
		"buildInfo": h.buildInfo, "buildinfo": h.buildInfo, "getParameter": h.getParameter,
		"connectionStatus": h.connectionStatus, "hostInfo": h.hostInfo, "whatsmyuri": h.whatsMyURI,
		"getCmdLineOpts": h.getCmdLineOpts, "getLog": h.getLog, "serverStatus": h.serverStatus, "dbStats": h.dbStats,
		"dbstats": h.dbStats, "collStats": h.collStats, "collstats": h.collStats, "top": h.top,
		"replSetGetStatus": h.replSetGetStatus,
	}
}

func (h *Handler) buildInfo(context.Context, *request) (bson.D, error) {
	return bson.D{
		{Key: "version", Value: version},
		{Key: "versionArray", Value: bson.A{int32(7), int32(0), int32(0), int32(0)}},
		{Key: "gitVersion", Value: "orkestro-embedded"},
		{Key: "modules", Value: bson.A{}},
		{Key: "bits", Value: int32(64)},
		{Key: "debug", Value: false},
		{Key: "maxBsonObjectSize", Value: int32(maxDocumentBytes)},
	}, nil
}

func (h *Handler) getParameter(_ context.Context, r *request) (bson.D, error) {
	if r.args[0].Value == "*" || r.has("featureCompatibilityVersion") {
		return bson.D{{Key: "featureCompatibilityVersion", Value: bson.D{{Key: "version", Value: "7.0"}}}}, nil
	}
	return nil, fault.New(fault.InvalidOptions, "no option found to get")
}

func (h *Handler) connectionStatus(context.Context, *request) (bson.D, error) {
	return bson.D{{Key: "authInfo", Value: bson.D{
		{Key: "authenticatedUsers", Value: bson.A{}},
		{Key: "authenticatedUserRoles", Value: bson.A{}},
		{Key: "authenticatedUserPrivileges", Value: bson.A{}},
	}}}, nil
}

func (h *Handler) hostInfo(context.Context, *request) (bson.D, error) {
	hostname, err := os.Hostname()
	return bson.D{
		{Key: "system", Value: bson.D{
			{Key: "currentTime", Value: primitive.NewDateTimeFromTime(time.Now())},
			{Key: "hostname", Value: hostname},
			{Key: "cpuAddrSize", Value: int32(64)},
			{Key: "numCores", Value: int32(runtime.NumCPU())},
			{Key: "cpuArch", Value: runtime.GOARCH},
		}},
		{Key: "os", Value: bson.D{{Key: "type", Value: runtime.GOOS}}},
		{Key: "extra", Value: bson.D{}},
	}, err
}

func (h *Handler) whatsMyURI(_ context.Context, r *request) (bson.D, error) {
	return bson.D{{Key: "you", Value: r.client.Peer}}, nil
}

func (h *Handler) getCmdLineOpts(context.Context, *request) (bson.D, error) {
	return bson.D{{Key: "argv", Value: bson.A{}}, {Key: "parsed", Value: bson.D{}}}, nil
}

func (h *Handler) getLog(context.Context, *request) (bson.D, error) {
	return bson.D{{Key: "totalLinesWritten", Value: int32(0)}, {Key: "log", Value: bson.A{}}}, nil
}

func (h *Handler) serverStatus(context.Context, *request) (bson.D, error) {
	hostname, err := os.Hostname()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return bson.D{
		{Key: "host", Value: hostname},
		{Key: "version", Value: version},
		{Key: "process", Value: "orkestro"},
		{Key: "pid", Value: int64(os.Getpid())},
		{Key: "uptime", Value: time.Since(h.started).Seconds()},
		{Key: "uptimeMillis", Value: time.Since(h.started).Milliseconds()},
		{Key: "localTime", Value: primitive.NewDateTimeFromTime(time.Now())},
		{Key: "mem", Value: bson.D{{Key: "bits", Value: int32(64)}, {Key: "resident", Value: int32(memory.Sys >> 20)}}},
		{Key: "storageEngine", Value: bson.D{{Key: "name", Value: "orkestro-embedded"}}},
	}, err
}

func (h *Handler) dbStats(_ context.Context, r *request) (bson.D, error) {
	objects, indexes := 0, 0
	infos := h.engine.Collections(r.db)
	for _, info := range infos {
		objects += info.Documents
		indexes += len(info.Indexes)
	}
	return bson.D{
		{Key: "db", Value: r.db},
		{Key: "collections", Value: int64(len(infos))},
		{Key: "views", Value: int64(0)},
		{Key: "objects", Value: int64(objects)},
		{Key: "indexes", Value: int64(indexes)},
	}, nil
}

func (h *Handler) collStats(_ context.Context, r *request) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	info := h.engine.Collection(ns)
	if info == nil {
		info = &engine.CollectionInfo{Namespace: ns}
	}
	return bson.D{
		{Key: "ns", Value: ns.String()},
		{Key: "count", Value: int64(info.Documents)},
		{Key: "nindexes", Value: int32(len(info.Indexes))},
		{Key: "capped", Value: false},
	}, nil
}

func (h *Handler) top(context.Context, *request) (bson.D, error) {
	totals := bson.D{{Key: "note", Value: "all times in microseconds"}}
	return bson.D{{Key: "totals", Value: totals}}, nil
}

func (h *Handler) replSetGetStatus(_ context.Context, r *request) (bson.D, error) {
	return bson.D{
		{Key: "set", Value: SetName},
		{Key: "date", Value: primitive.NewDateTimeFromTime(time.Now())},
		{Key: "myState", Value: int32(1)},
		{Key: "members", Value: bson.A{bson.D{
			{Key: "_id", Value: int32(0)},
			{Key: "name", Value: r.client.Address},
			{Key: "health", Value: float64(1)},
			{Key: "state", Value: int32(1)},
			{Key: "stateStr", Value: "PRIMARY"},
			{Key: "self", Value: true},
		}}},
	}, nil
}
