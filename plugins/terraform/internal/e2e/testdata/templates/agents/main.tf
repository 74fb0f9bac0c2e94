terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_workspace" "me" {}

resource "coder_agent" "main" {
  os                  = "linux"
  arch                = "arm64"
  dir                 = "/home/me"
  order               = 3
  motd_file           = "/etc/motd"
  troubleshooting_url = "https://example.com/help"
  connection_timeout  = 60
  api_key_scope       = "no_user_data"
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
  display_apps {
    vscode                 = true
    vscode_insiders        = true
    web_terminal           = true
    ssh_helper             = true
    port_forwarding_helper = true
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

# With the attributes of old, and all defaults.
resource "coder_agent" "legacy" {
  os                      = "windows"
  arch                    = "amd64"
  startup_script          = "echo up"
  startup_script_behavior = "blocking"
  shutdown_script         = "echo down"
}

# On a resource that nothing but its name tells from the others, nearest first.
resource "terraform_data" "near" {
  input = coder_agent.main.id
}

resource "terraform_data" "far" {
  input = terraform_data.near.id
}

resource "terraform_data" "counted" {
  count = 2
  input = coder_agent.legacy.id
}

# Nothing depends on it, so it is left out.
resource "coder_agent" "lonely" {
  os   = "darwin"
  arch = "arm64"
}
