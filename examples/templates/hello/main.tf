# The smallest template that uses everything a template can have: a variable,
# a local module, a script of its own and an output. It needs no provider but
# the one that is built into the engine, so it runs without a network.

terraform {
  required_version = ">= 1.4.0"
}

variable "name" {
  description = "Who is greeted"
  type        = string
  default     = "world"

  validation {
    condition     = trimspace(var.name) != ""
    error_message = "Somebody has to be greeted: the name must not be empty."
  }
}

module "greeting" {
  source = "./greeting"
  name   = var.name
}

# Runs a script that came with the template. It is started by its path, as a
# program, so this works only where the file's executable bit survived.
resource "terraform_data" "announcement" {
  triggers_replace = module.greeting.text

  provisioner "local-exec" {
    command     = "./scripts/announce.sh"
    working_dir = path.root
    environment = {
      GREETING = module.greeting.text
    }
  }
}

output "greeting" {
  description = "The greeting as it was announced"
  value       = terraform_data.announcement.triggers_replace
}
