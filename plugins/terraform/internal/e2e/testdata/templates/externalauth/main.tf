terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_external_auth" "forge" {
  id = "forge"
}

data "coder_external_auth" "chat" {
  id       = "chat"
  optional = true
}

resource "terraform_data" "token" {
  input = data.coder_external_auth.forge.access_token
}
