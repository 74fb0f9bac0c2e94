package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// announce says that the daemon takes sessions: in its log, and to the service manager that has started it, if one wants to know. At the end of
// ctx the manager is told that the daemon stops taking any.
func announce(ctx context.Context, log *slog.Logger, addresses []string) {
	log.Info("ready", "listen", strings.Join(addresses, " "), "version", version())
	notify := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("the service manager can't be told", "state", state, "socket", os.Getenv("NOTIFY_SOCKET"), "error", err)
		}
	}
	notify(daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { notify(daemon.SdNotifyStopping) })
}
