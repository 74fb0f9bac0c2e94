# Instance keys that look like parts of addresses, in module steps and in resources.

terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

module "outer" {
  source   = "./inner"
  for_each = toset(["a.b[0]", "say \"hi\"."])
  agent    = each.key == "a.b[0]" ? coder_agent.first.token : coder_agent.second.token
}

resource "coder_agent" "first" {
  os   = "linux"
  arch = "amd64"
}

resource "coder_agent" "second" {
  os   = "linux"
  arch = "amd64"
}

resource "coder_app" "apps" {
  for_each = {
    "one.x"    = coder_agent.first.id
    "two[\"]." = coder_agent.second.id
  }
  agent_id = each.value
  slug     = substr(each.key, 0, 3)
}

data "coder_parameter" "keyed" {
  for_each = toset(["x.y", "]\""])
  name     = "keyed ${each.key}"
  default  = each.key
}
