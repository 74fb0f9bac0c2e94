terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_workspace" "me" {}

resource "terraform_data" "machine" {
  count = 2
  input = data.coder_workspace.me.name
}

resource "terraform_data" "disk" {}

resource "coder_metadata" "machine" {
  resource_id = terraform_data.machine[0].id
  daily_cost  = 12
  icon        = "/icon/memory.svg"
  item {
    key   = "owner"
    value = data.coder_workspace.me.name
  }
  item {
    key = "nothing"
  }
  item {
    key       = "password"
    value     = "hidden"
    sensitive = true
  }
}

resource "coder_metadata" "disk" {
  resource_id = terraform_data.disk.id
  hide        = true
  daily_cost  = 30
}
