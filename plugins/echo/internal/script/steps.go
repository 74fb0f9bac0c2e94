package script

// Kind is the kind of a step's parameter.
type Kind string

// The kinds of parameters. Text, words and JSON take the rest of the line and can only come last.
const (
	Level    Kind = "LEVEL"      // trace, debug, info, warn or error
	Path     Kind = "PATH"       // relative to the work directory
	Mode     Kind = "MODE"       // permission bits, octal
	Size     Kind = "SIZE"       // bytes, with an optional KiB, MiB or GiB
	Count    Kind = "COUNT"      // a number from 0 on
	Status   Kind = "STATUS"     // any 32-bit number
	Duration Kind = "DURATION"   // as Go writes it: 1m30s, 200ms
	OnCancel Kind = "ON-CANCEL"  // fail, succeed or ignore
	Text     Kind = "TEXT"       // the rest of the line, or a string in Go's quotes
	Words    Kind = "WORD..."    // at least one word, or string in Go's quotes
	JSON     Kind = "JSON"       // one JSON object, of any number of lines
	JSONOpt  Kind = "[JSON]"     // the same, or nothing
	Variable Kind = "NAME=VALUE" // an environment variable
)

// Spec is a step that there is.
type Spec struct {
	Name   string
	Params []Kind
}

// Steps are all that there are, in the order of the README.
var Steps = []Spec{
	// The answer.
	{"complete", []Kind{JSON}},
	{"error", []Kind{Text}},
	{"pad", []Kind{Size}},
	{"cancel", []Kind{OnCancel}},
	// Logs.
	{"log", []Kind{Level, Text}},
	{"flood", []Kind{Level, Count, Text}},
	{"stdout", []Kind{Text}},
	{"stderr", []Kind{Text}},
	{"request", nil},
	{"info", nil},
	{"mark", nil},
	// Time and memory.
	{"sleep", []Kind{Duration}},
	{"busy", []Kind{Duration}},
	{"memory", []Kind{Size}},
	// Files.
	{"write", []Kind{Path, Text}},
	{"append", []Kind{Path, Text}},
	{"fill", []Kind{Path, Size}},
	{"files", []Kind{Path, Count}},
	{"open", []Kind{Path, Count}},
	{"read", []Kind{Path}},
	{"remove", []Kind{Path}},
	{"chmod", []Kind{Path, Mode}},
	// Programs.
	{"env", []Kind{Variable}},
	{"dir", []Kind{Path}},
	{"stdin", []Kind{Text}},
	{"run", []Kind{Words}},
	{"start", []Kind{Words}},
	// The cache.
	{"cache-save", []Kind{Words}},
	{"cache-restore", []Kind{Text}},
	// Misbehaviour.
	{"respond", []Kind{JSONOpt}},
	{"respond-bytes", []Kind{Text}},
	{"return", []Kind{Status}},
	{"panic", []Kind{Text}},
	{"crash", []Kind{Text}},
	{"trap", nil},
	{"exit", []Kind{Status}},
	{"exhaust", nil},
	{"spin", nil},
	{"hang", nil},
	{"abuse", nil},
}

// String is how the step is written: "log LEVEL TEXT".
func (s Spec) String() string {
	text := s.Name
	for _, p := range s.Params {
		text += " " + string(p)
	}
	return text
}

func findStep(name string) (Spec, bool) {
	for _, s := range Steps {
		if s.Name == name {
			return s, true
		}
	}
	return Spec{}, false
}
