package guest

import (
	"fmt"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// maxLog is the most text of one Log, in bytes.
const maxLog = 512 << 10

// Log sends one Log to the client, in order and before the answer to the request. The host drops what is below the
// session's level. Bytes that are not UTF-8 are replaced, since a Log can't carry them.
//
// A text of more than half a MiB goes out as several Logs, since hosts limit the size of one.
//
// A log that the host refuses (the session is over, or the limit on log text is hit) is not an error that a plugin could
// do anything about: the host notes it.
func Log(level pb.LogLevel, text string) {
	text = validUTF8(text)
	for len(text) > maxLog {
		n := splitAt(text, maxLog)
		_ = noticed(hostcall.Current().Log(int32(level), text[:n]))
		text = text[n:]
	}
	_ = noticed(hostcall.Current().Log(int32(level), text))
}

// Logf is Log in the manner of fmt.Sprintf.
func Logf(level pb.LogLevel, format string, args ...any) { Log(level, fmt.Sprintf(format, args...)) }

// Trace sends a Log at the level TRACE.
func Trace(text string) { Log(pb.LogLevel_TRACE, text) }

// Debug sends a Log at the level DEBUG.
func Debug(text string) { Log(pb.LogLevel_DEBUG, text) }

// Info sends a Log at the level INFO.
func Info(text string) { Log(pb.LogLevel_INFO, text) }

// Warn sends a Log at the level WARN.
func Warn(text string) { Log(pb.LogLevel_WARN, text) }

// Error sends a Log at the level ERROR.
func Error(text string) { Log(pb.LogLevel_ERROR, text) }
