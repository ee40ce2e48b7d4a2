package harness

import "testing"

func TestOwnRace(t *testing.T) {
	const driver = "WARNING: DATA RACE\nWrite at 0x00c003f7cca8 by goroutine 69:\n" +
		"  go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*connection).connect()\n      connection.go:269 +0xaaf\n\n" +
		"Previous read at 0x00c003f7cca8 by goroutine 71:\n" +
		"  go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).removeConnection()\n      pool.go:740 +0x34c\n"
	const ours = "WARNING: DATA RACE\nRead at 0x00c003f7cca8 by goroutine 69:\n" +
		"  go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*connection).connect()\n      connection.go:269 +0xaaf\n\n" +
		"Previous write at 0x00c003f7cca8 by goroutine 71:\n  main.run()\n      main.go:740 +0x34c\n"
	for name, c := range map[string]struct{ log, want string }{
		"none":            {`{"msg":"read at 0x by chance"}` + "\n", ""},
		"the driver's":    {driver, ""},
		"ours":            {ours, "main.run()"},
		"ours after that": {driver + ours, "main.run()"},
	} {
		if got := ownRace(c.log); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
