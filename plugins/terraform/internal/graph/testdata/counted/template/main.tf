# Counted resources, resources without instances, data sources on the way, an external agent.

terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

resource "coder_agent" "counted" {
  os   = "windows"
  arch = "amd64"
  auth = "azure-instance-identity"
}

resource "coder_agent_instance" "counted" {
  agent_id    = coder_agent.counted.id
  instance_id = "vm-1234"
}

resource "terraform_data" "counted" {
  count = 3
  input = coder_agent.counted.os
}

resource "coder_metadata" "counted" {
  count       = 1
  resource_id = terraform_data.counted[0].id
  daily_cost  = 7
}

# Nearer than off, which has no instances.
resource "coder_agent" "behind" {
  os   = "linux"
  arch = "amd64"
}

resource "terraform_data" "off" {
  count = 0
  input = coder_agent.behind.token
}

resource "terraform_data" "on" {
  input = terraform_data.off[*].id
}

resource "coder_agent" "outside" {
  os   = "linux"
  arch = "amd64"
}

resource "coder_external_agent" "outside" {
  agent_id = coder_agent.outside.id
}

resource "coder_agent" "lost" {
  os   = "linux"
  arch = "amd64"
}

resource "coder_script" "lost" {
  agent_id     = coder_agent.lost.id
  display_name = "Lost"
  script       = "true"
  run_on_start = true
}
