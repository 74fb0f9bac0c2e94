package config

const warmText = `
variable "a" {
  type        = list(object({ name = string, size = optional(number, 1.5) }))
  description = "A ${1 + 2} <<é>>"
  default     = [{ name = "x", size = 3 }]
  sensitive   = true
  validation {
    condition     = length(var.a) > 0
    error_message = "No."
  }
}

data "coder_workspace_tags" "b" {
  tags = { cluster = "c", (var.a) = true }
}
`

// What parsers make when they are first used is made while the plugin initialises: of that a host keeps a snapshot.
func init() {
	f, _ := parseText([]byte(warmText), source{name: "warm.tf"}, newBudget())
	if f == nil {
		return
	}
	var variables variableSet
	var tags tagSet
	tags.add(f)
	variables.add(f)
	variables.sorted()
	_, _ = tags.merged()
}
