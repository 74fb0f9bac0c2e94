terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

resource "coder_agent" "main" {
  os   = "linux"
  arch = "amd64"
}

# The agent hangs on the nearest of its machines, of which the first by address.
module "team" {
  for_each = { "a.b" = "small", "c[\"d\"]" = "large" }
  source   = "./machine"
  size     = each.value
  agent_id = coder_agent.main.id
}

module "one" {
  source   = "./machine"
  count    = 1
  size     = "tiny"
  agent_id = coder_agent.main.id
}

resource "coder_metadata" "one" {
  resource_id = module.one[0].machine
  item {
    key   = "size"
    value = "tiny"
  }
}
