// Package compose holds no code: its tests load deploy/compose as docker compose does, hold it against rules that an engine
// would only show when it is too late, build the programs as the Dockerfile does and run the same fleet as processes.
package compose
