package supervisor

import "os"

// A process that is a supervisor becomes it here, not in main: by then hundreds of packages would have been initialized, which takes
// longer than all that a supervisor does. It also spares programs that embed the host from calling it.
func init() {
	if len(os.Args) != 1 || os.Args[0] != Name {
		return
	}
	// An initializer is tied to the main thread: whatever it did together with other goroutines would be done by two threads that wake each other.
	waits := make(chan *supervisor)
	go func() {
		s, err := begin()
		if err != nil {
			os.Exit(2)
		}
		if s.Keep == nil {
			os.Exit(s.run())
		}
		waits <- s
	}()
	keeping = <-waits
}

// keeping is the supervisor that this process is and that waits for its Keeper, nil = none.
var keeping *supervisor

// Keeper goes on, once the daemon is gone, with what that did for the states of an apply. It begins to copy and returns what ends that.
type Keeper func(*Keep) (end func())

// UseKeeper is called in the init of the package that has a Keeper. It does not return in the supervisor of an apply.
func UseKeeper(k Keeper) {
	if keeping != nil {
		keeping.keeper = k
		os.Exit(keeping.run())
	}
}
