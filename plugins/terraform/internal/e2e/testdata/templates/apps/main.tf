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

resource "terraform_data" "machine" {
  input = coder_agent.main.id
}

resource "coder_app" "editor" {
  agent_id     = coder_agent.main.id
  slug         = "editor"
  display_name = "Editor"
  url          = "http://localhost:8080/?folder=/home"
  icon         = "/icon/code.svg"
  subdomain    = true
  share        = "authenticated"
  open_in      = "tab"
  group        = "Tools"
  order        = 1
  tooltip      = "Needs [a browser](https://example.com)"
  healthcheck {
    url       = "http://localhost:8080/healthz"
    interval  = 3
    threshold = 10
  }
}

resource "coder_app" "shell" {
  agent_id = coder_agent.main.id
  slug     = "shell"
  command  = "bash"
  hidden   = true
  share    = "owner"
}

resource "coder_app" "docs" {
  agent_id = coder_agent.main.id
  slug     = "docs"
  url      = "https://example.com/docs"
  external = true
}

resource "coder_app" "public" {
  agent_id = coder_agent.main.id
  slug     = "public"
  url      = "http://localhost:3000"
  share    = "public"
  open_in  = "slim-window"
}
