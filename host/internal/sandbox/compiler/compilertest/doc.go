// Package compilertest has tests compile plugins without the race detector, where they are built with it: it makes a compilation ten
// times as long, uses memory that plugins' limits are not meant for, and the process finds nothing in there that the tests are about.
// Importing the package is all there is to do.
package compilertest
