terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
    fixture = {
      source = "provisor/fixture"
    }
  }
}

data "coder_workspace" "me" {}

resource "fixture_slow" "first" {
  seconds = 0
  provisioner "local-exec" {
    command = "echo made"
  }
}

resource "terraform_data" "second" {
  input = [fixture_slow.first.id, data.coder_workspace.me.name]
}
