package main

import (
	"context"
	"errors"
	"strings"

	guest "github.com/provisor/provisor/sdk-guest"
)

// The beginnings of errors, by what failed.
const (
	stageInit  = "initialize terraform"
	stagePlan  = "terraform plan"
	stageApply = "terraform apply"
	stageGraph = "terraform graph"
)

// failure is the text of a Complete's error: "terraform plan: exit status 1". Where the client's cancel ended the engine,
// or the host did for a reason of its own, the text says so too. It is empty for nil.
func failure(stage string, err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if exit, ok := errors.AsType[*guest.ExitError](err); ok {
		if reason := endedBy(exit); reason != "" {
			text = reason + ": " + text
		}
	}
	if stage != "" {
		text = stage + ": " + text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func endedBy(exit *guest.ExitError) string {
	if errors.Is(exit, context.Canceled) {
		return "canceled"
	}
	switch by := exit.Result.GetKilledBy(); by {
	case "", "close":
		return ""
	case "cancel":
		return "canceled"
	default:
		return "ended by the host (" + by + ")"
	}
}
