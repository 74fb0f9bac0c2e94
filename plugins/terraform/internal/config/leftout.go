package config

import (
	"path"
	"strings"
)

// LeftOut tells whether an entry of a template's archive is not unpacked, and why: what an engine keeps beside a
// template is of the machine where it ran, and a state comes from the request or not at all. The name is as the archive
// has it, with slashes.
func LeftOut(name string) (reason string, leftOut bool) {
	for element := range strings.SplitSeq(path.Clean(name), "/") {
		switch {
		case element == ".terraform":
			return "it belongs to another machine's engine", true
		case strings.HasPrefix(element, "terraform.tfstate"), element == "errored.tfstate":
			return "a state comes with the request", true
		}
	}
	if strings.HasSuffix(path.Base(path.Clean(name)), ".tfplan") {
		return "a plan is made by the request", true
	}
	return "", false
}
