terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_parameter" "region" {
  name         = "Region"
  display_name = "Where it runs"
  description  = "The nearest is the fastest."
  type         = "string"
  form_type    = "radio"
  icon         = "/icon/globe.svg"
  mutable      = true
  default      = "eu"
  order        = 2
  option {
    name  = "Europe"
    value = "eu"
    icon  = "/emojis/1f1ea-1f1fa.png"
  }
  option {
    name        = "America"
    value       = "us"
    description = "the northern one"
  }
}

data "coder_parameter" "cores" {
  name    = "Cores"
  type    = "number"
  default = 4
  order   = 1
  validation {
    min       = 1
    max       = 64
    monotonic = "increasing"
    error     = "{value} is not between {min} and {max}"
  }
}

data "coder_parameter" "at_least" {
  name      = "At least"
  type      = "number"
  form_type = "slider"
  default   = 4
  validation {
    min = 0
    max = 10
  }
}

data "coder_parameter" "secret" {
  name      = "Secret"
  type      = "string"
  form_type = "textarea"
  ephemeral = true
  mutable   = true
  default   = "abc"
  validation {
    regex = "^[a-z]*$"
    error = "letters only"
  }
}

data "coder_parameter" "needed" {
  name = "Needed"
  type = "string"
}

data "coder_parameter" "sure" {
  name      = "Sure"
  type      = "bool"
  form_type = "checkbox"
  default   = false
}

data "coder_parameter" "tags" {
  name      = "Tags"
  type      = "list(string)"
  form_type = "tag-select"
  default   = jsonencode(["a", "b"])
}

# What the client chose is in the state.
resource "terraform_data" "chosen" {
  input = "${data.coder_parameter.needed.value} in ${data.coder_parameter.region.value}"
}
