# What a person chooses when making a workspace.

data "coder_parameter" "region" {
  name         = "region"
  display_name = "Region"
  description  = "Where the machine runs. It can't move afterwards."
  type         = "string"
  form_type    = "dropdown"
  default      = "eu"
  mutable      = false
  order        = 1

  option {
    name  = "Europe"
    value = "eu"
    icon  = "/emojis/1f1ea-1f1fa.png"
  }

  option {
    name  = "North America"
    value = "us"
    icon  = "/emojis/1f1fa-1f1f8.png"
  }
}

data "coder_parameter" "cores" {
  name         = "cores"
  display_name = "Cores"
  description  = "How many cores the machine has."
  type         = "number"
  form_type    = "slider"
  default      = 2
  mutable      = true
  order        = 2

  validation {
    min   = 1
    max   = 16
    error = "A machine has from {min} to {max} cores."
  }
}

data "coder_parameter" "editor" {
  name         = "editor"
  display_name = "Editor"
  description  = "The program that edits commit messages."
  type         = "string"
  default      = "vim"
  mutable      = true
  order        = 3

  validation {
    regex = "^[a-z][a-z0-9-]*$"
    error = "The name of a program, please: small letters, digits and hyphens."
  }
}

data "coder_workspace_preset" "small" {
  name        = "Small"
  description = "Enough to read code and to fix a typo"
  default     = true

  parameters = {
    (data.coder_parameter.region.name) = "eu"
    (data.coder_parameter.cores.name)  = "1"
  }
}

data "coder_workspace_preset" "large" {
  name        = "Large"
  description = "Builds the whole tree"

  parameters = {
    (data.coder_parameter.region.name) = "us"
    (data.coder_parameter.cores.name)  = "16"
  }
}
