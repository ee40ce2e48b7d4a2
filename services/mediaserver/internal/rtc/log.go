package rtc

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"github.com/pion/logging"
)

// pionLoggers hands Pion's own log on at Debug: it is about single packets and holds SDP and candidates.
type pionLoggers struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (l pionLoggers) NewLogger(scope string) logging.LeveledLogger {
	return pionLogger{l.log.With("scope", scope)}
}

type pionLogger struct{ log *slog.Logger }

func (l pionLogger) write(text string) { l.log.Debug("pion", "text", text) }

func (l pionLogger) writef(format string, args []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.write(fmt.Sprintf(format, atRest(args)...))
	}
}

// atRest replaces pointers to what does not print itself by their type: Pion hands its tracks to "%+v" while other
// goroutines change them, and to print them reads their fields past their locks.
func atRest(args []any) []any {
	printed := slices.Clone(args)
	for i, arg := range args {
		switch arg.(type) {
		case error, fmt.Stringer:
			continue
		}
		if reflect.ValueOf(arg).Kind() == reflect.Pointer {
			printed[i] = fmt.Sprintf("%T", arg)
		}
	}
	return printed
}

// Trace drops what is about every packet.
func (l pionLogger) Trace(string) {}

// Tracef drops what is about every packet.
func (l pionLogger) Tracef(string, ...any) {}

// Debug implements logging.LeveledLogger.
func (l pionLogger) Debug(text string) { l.write(text) }

// Debugf implements logging.LeveledLogger.
func (l pionLogger) Debugf(format string, args ...any) { l.writef(format, args) }

// Info implements logging.LeveledLogger.
func (l pionLogger) Info(text string) { l.write(text) }

// Infof implements logging.LeveledLogger.
func (l pionLogger) Infof(format string, args ...any) { l.writef(format, args) }

// Warn implements logging.LeveledLogger.
func (l pionLogger) Warn(text string) { l.write(text) }

// Warnf implements logging.LeveledLogger.
func (l pionLogger) Warnf(format string, args ...any) { l.writef(format, args) }

// Error implements logging.LeveledLogger.
func (l pionLogger) Error(text string) { l.write(text) }

// Errorf implements logging.LeveledLogger.
func (l pionLogger) Errorf(format string, args ...any) { l.writef(format, args) }
