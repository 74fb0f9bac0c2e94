terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

variable "zone" {
  type        = string
  description = "Where it is"
}

variable "sizes" {
  type    = map(number)
  default = { large = 2, small = 1 }
}

variable "secret" {
  type      = string
  sensitive = true
  default   = "<&>"
}

data "coder_workspace_tags" "tags" {
  tags = {
    "zone"  = var.zone
    "class" = "${var.zone}-${length(var.sizes)}"
  }
}

resource "terraform_data" "chosen" {
  input = "${var.zone} ${var.sizes.large} ${var.extra}"
}
