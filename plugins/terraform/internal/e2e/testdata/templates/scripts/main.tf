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

resource "coder_script" "save" {
  agent_id     = coder_agent.main.id
  display_name = "Save"
  script       = "make save"
  run_on_stop  = true
}

resource "coder_env" "path" {
  agent_id = coder_agent.main.id
  name     = "PATH"
  value    = "/opt/bin:$PATH"
}

resource "coder_env" "a_first" {
  agent_id = coder_agent.main.id
  name     = "LANG"
  value    = "C.UTF-8"
}

resource "coder_devcontainer" "project" {
  agent_id         = coder_agent.main.id
  workspace_folder = "/home/me/project"
  config_path      = "/home/me/project/.devcontainer.json"
}
