package engine

import "slices"

// Mirrors are the directories, as absolute paths, that the engine takes providers from before it asks a registry. They need not exist yet.
func (e *Engine) Mirrors() []string { return slices.Clone(e.mirrors) }
