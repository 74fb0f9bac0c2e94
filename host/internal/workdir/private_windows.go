package workdir

// checkPrivate: modes say nothing here; a directory in the user's profile is private by default.
func checkPrivate(string) error { return nil }
