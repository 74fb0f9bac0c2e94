package engine

// Mirrors are the directories that an engine with these options takes providers from before it asks a registry. They need not exist yet.
func Mirrors(o Options) []string {
	if len(o.Mirrors) == 0 {
		return []string{MirrorDir(o.CacheDir)}
	}
	return o.Mirrors
}
