//go:build unix && !linux

package exec

import "github.com/provisor/provisor/host/internal/exec/jail"

// underJail is always nil: there is no jail here.
var underJail *jail.Jail

func beDaemon(string) {}
