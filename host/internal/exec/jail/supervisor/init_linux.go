package supervisor

import "os"

// A process that is a supervisor becomes it here, not in main: by then hundreds of packages would have been initialized, which takes
// longer than all that a supervisor does. It also spares programs that embed the host from calling it.
func init() {
	if len(os.Args) == 1 && os.Args[0] == Name {
		os.Exit(run())
	}
	if len(os.Args) > 2 && os.Args[1] == Attempts {
		os.Exit(tryAll(os.Args[2:]))
	}
}
