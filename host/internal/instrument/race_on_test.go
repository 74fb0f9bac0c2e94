//go:build race

package instrument_test

// raceDetector is whether it is on. It slows wazero's compiler down tenfold, and finds nothing where nothing is concurrent.
const raceDetector = true
