# One of each kind.

terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_workspace" "me" {}

data "coder_external_auth" "forge" {
  id = "forge"
}

data "coder_external_auth" "chat" {
  id       = "chat"
  optional = true
}

data "coder_parameter" "region" {
  name         = "Region"
  display_name = "Where it runs"
  description  = "The nearest is the fastest."
  type         = "string"
  form_type    = "radio"
  mutable      = true
  default      = "eu"
  order        = 2
  option {
    name  = "Europe"
    value = "eu"
    icon  = "/emojis/1f1ea-1f1fa.png"
  }
  option {
    name        = "America"
    value       = "us"
    description = "the northern one"
  }
}

data "coder_parameter" "cores" {
  name    = "Cores"
  type    = "number"
  default = 4
  order   = 1
  validation {
    min       = 1
    max       = 64
    monotonic = "increasing"
    error     = "{value} is not between {min} and {max}"
  }
}

data "coder_parameter" "secret" {
  name      = "Secret"
  type      = "string"
  ephemeral = true
  mutable   = true
  default   = ""
  validation {
    regex = "^[a-z]*$"
    error = "letters only"
  }
}

# Read during apply, so that the plan shows it among the planned values.
data "coder_parameter" "late" {
  name        = "Late"
  description = "made by ${terraform_data.volume.id}"
  default     = "x"
}

data "coder_workspace_preset" "small" {
  name        = "Small"
  description = "for a browser"
  default     = true
  parameters = {
    (data.coder_parameter.region.name) = "us"
    (data.coder_parameter.cores.name)  = "2"
    "Gone"                             = "an old version had it"
  }
}

data "coder_workspace_preset" "big" {
  name = "Big"
  parameters = {
    (data.coder_parameter.cores.name) = "64"
  }
  prebuilds {
    instances = 2
    expiration_policy {
      ttl = 7200
    }
    scheduling {
      timezone = "Europe/Vienna"
      schedule {
        cron      = "* 7-17 * * 1-5"
        instances = 5
      }
    }
  }
}

resource "coder_agent" "main" {
  os                  = "linux"
  arch                = "arm64"
  dir                 = "/home/me"
  order               = 3
  motd_file           = "/etc/motd"
  troubleshooting_url = "https://example.com/help"
  connection_timeout  = 60
  api_key_scope       = "no_user_data"
  startup_script      = "echo up"
  env = {
    EDITOR = "vi"
    PAGER  = "less"
  }
  metadata {
    key          = "load"
    display_name = "Load"
    script       = "uptime"
    interval     = 10
    timeout      = 2
    order        = 1
  }
  metadata {
    key      = "disk"
    script   = "df"
    interval = 60
  }
  display_apps {
    vscode       = false
    web_terminal = true
  }
  resources_monitoring {
    memory {
      enabled   = true
      threshold = 80
    }
    volume {
      path      = "/home"
      enabled   = true
      threshold = 90
    }
    volume {
      path      = "/var"
      enabled   = false
      threshold = 50
    }
  }
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
}

resource "coder_app" "docs" {
  agent_id = coder_agent.main.id
  slug     = "docs"
  url      = "https://example.com/docs"
  external = true
}

resource "coder_script" "nightly" {
  agent_id     = coder_agent.main.id
  display_name = "Nightly"
  icon         = "/icon/clock.svg"
  script       = "make clean"
  cron         = "0 0 3 * * *"
  timeout      = 300
  log_path     = "/tmp/nightly.log"
}

resource "coder_script" "install" {
  agent_id           = coder_agent.main.id
  display_name       = "Install"
  script             = "make install"
  run_on_start       = true
  start_blocks_login = true
}

resource "coder_env" "path" {
  agent_id = coder_agent.main.id
  name     = "PATH"
  value    = "/opt/bin:$PATH"
}

resource "coder_devcontainer" "project" {
  agent_id         = coder_agent.main.id
  workspace_folder = "/home/me/project"
}

resource "coder_ai_task" "task" {
  app_id = coder_app.editor.id
}

# The agent hangs on the one that mentions it, which is not the first by name.
resource "terraform_data" "machine" {
  input = coder_agent.main.token
}

resource "terraform_data" "volume" {
  input = data.coder_workspace.me.id
}

resource "terraform_data" "after_machine" {
  input = terraform_data.machine.id
}

resource "coder_metadata" "machine" {
  resource_id = terraform_data.machine.id
  daily_cost  = 12
  icon        = "/icon/memory.svg"
  item {
    key   = "cores"
    value = data.coder_parameter.cores.value
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

resource "coder_metadata" "volume" {
  resource_id = terraform_data.volume.id
  hide        = true
  daily_cost  = 3
}
