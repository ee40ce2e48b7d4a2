package store_test

import "testing"

// An instance whose record was lost has made pipelines before. What is placed on it from then on counts beyond those:
// otherwise a place that was just reserved would look as if its pipeline were made, and the server drained although one
// is on its way.
func TestMediaServers_RegisterAgainCountsFromWhatWasMade(t *testing.T) {
	s := registered(t)
	server := mediaServer(t, s)
	server.Load.PipelinesCreated = 7
	must(t, s.Register(t.Context(), server))
	got, err := s.Reserve(t.Context(), server.ID, server.Instance)
	must(t, err)
	if got.Placed != 8 || got.Load.PipelinesCreated != 7 {
		t.Errorf("%d placed of %d made", got.Placed, got.Load.PipelinesCreated)
	}
}
