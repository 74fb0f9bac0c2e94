package filecache

const nonBlocking = 0

func checkPrivate(string) error { return nil }
