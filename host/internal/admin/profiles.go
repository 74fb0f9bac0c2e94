package admin

import (
	"net/http"
	"net/http/pprof"
)

// HandleProfiles offers what Go's pprof reads, under /debug/pprof/. Heap dumps and traces may hold secrets: it is for this socket alone.
func HandleProfiles(s *Server) {
	for path, f := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		s.Handle(path, f)
	}
}
