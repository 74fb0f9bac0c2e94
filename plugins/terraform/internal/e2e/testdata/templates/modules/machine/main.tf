terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

variable "size" {
  type = string
}

variable "agent_id" {
  type = string
}

resource "terraform_data" "disk" {
  for_each = toset(["x.y"])
  input    = each.key
}

resource "terraform_data" "machine" {
  input = [var.size, var.agent_id, terraform_data.disk["x.y"].id]
}

resource "coder_env" "size" {
  agent_id = var.agent_id
  name     = "SIZE"
  value    = var.size
}

output "machine" {
  value = terraform_data.machine.id
}
