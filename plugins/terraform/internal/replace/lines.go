package replace

import (
	"fmt"
	"strings"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Lines are the lines of the log about replacements, all for the level WARN. There are none without a replacement.
func Lines(list []Replacement) []string {
	if len(list) == 0 {
		return nil
	}
	lines := []string{"Resource replacements:"}
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("  -/+ %s (replace)", r.Address))
		if len(r.Reasons) == 0 {
			lines = append(lines, "      ~ replacement reason unavailable")
		}
		for _, reason := range r.Reasons {
			change := ""
			if reason.Old != "" || reason.New != "" {
				change = fmt.Sprintf(": %s -> %s", reason.Old, reason.New)
			}
			lines = append(lines, fmt.Sprintf("      ~ %s%s (forces replacement)", reason.Path, change))
		}
	}
	return lines
}

// Line is a line of the log and its level.
type Line struct {
	Level pb.LogLevel
	Text  string
}

// forcesReplacement is how the engine marks an attribute in the text that it shows of a plan.
const forcesReplacement = "# forces replacement"

// HumanLines are the lines of `show -no-color PLANFILE`, which are logged in place of Lines when a prebuilt workspace is
// claimed: nothing of it may be replaced then, so its author gets the whole plan to see what is.
func HumanLines(text string) []Line {
	var lines []Line
	for line := range strings.Lines(text) {
		level := pb.LogLevel_INFO
		if strings.Contains(line, forcesReplacement) {
			level = pb.LogLevel_WARN
		}
		lines = append(lines, Line{Level: level, Text: strings.TrimRight(line, "\r\n")})
	}
	return lines
}
