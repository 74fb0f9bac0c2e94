# A workspace as a control plane sees it: parameters that a person fills in, an
# agent with everything that hangs on it, and a machine that runs the agent.
#
# The machine is a stand-in, so that this template runs anywhere. Put an
# instance or a container in its place that runs coder_agent.main.init_script,
# with coder_agent.main.token in its variable CODER_AGENT_TOKEN.

terraform {
  required_version = ">= 1.4.0"

  required_providers {
    coder = {
      source  = "coder/coder"
      version = ">= 2.5.0"
    }
  }
}

variable "daily_cost_per_core" {
  description = "What one core costs a day, in the unit of the quotas"
  type        = number
  default     = 2
}

data "coder_provisioner" "here" {}

data "coder_workspace" "this" {}

data "coder_workspace_owner" "me" {}

# Where it can be scheduled: the values are worked out by the control plane,
# before there is a plan.
data "coder_workspace_tags" "placement" {
  tags = {
    "cluster" = "developers"
    "region"  = data.coder_parameter.region.value
  }
}

locals {
  # A workspace that is stopped keeps its parameters, but has no machine.
  machines = data.coder_workspace.this.start_count
  cores    = data.coder_parameter.cores.value
  home     = "/home/${lower(data.coder_workspace_owner.me.name)}"
}

resource "coder_agent" "main" {
  os   = data.coder_provisioner.here.os
  arch = data.coder_provisioner.here.arch
  dir  = local.home

  display_apps {
    vscode          = true
    vscode_insiders = false
    web_terminal    = true
    ssh_helper      = true
  }

  metadata {
    key          = "load"
    display_name = "Load"
    script       = "coder stat cpu"
    interval     = 10
    timeout      = 1
  }

  resources_monitoring {
    memory {
      enabled   = true
      threshold = 90
    }
  }
}

resource "coder_env" "editor" {
  agent_id = coder_agent.main.id
  name     = "EDITOR"
  value    = data.coder_parameter.editor.value
}

resource "coder_script" "setup" {
  agent_id           = coder_agent.main.id
  display_name       = "Set up the home directory"
  icon               = "/icon/terminal.svg"
  script             = file("${path.module}/setup.sh")
  run_on_start       = true
  start_blocks_login = true
  timeout            = 120
}

resource "coder_app" "editor" {
  agent_id     = coder_agent.main.id
  slug         = "editor"
  display_name = "Editor"
  icon         = "/icon/code.svg"
  url          = "http://localhost:13337/?folder=${local.home}"
  subdomain    = true
  share        = "owner"
  order        = 1

  healthcheck {
    url       = "http://localhost:13337/healthz"
    interval  = 5
    threshold = 6
  }
}

resource "coder_app" "docs" {
  agent_id     = coder_agent.main.id
  slug         = "docs"
  display_name = "Documentation"
  icon         = "/icon/book.svg"
  url          = "https://coder.com/docs"
  external     = true
  order        = 2
}

# The stand-in. That it refers to the agent makes it the machine of the agent.
resource "terraform_data" "machine" {
  count = local.machines

  input = {
    name   = "${data.coder_workspace_owner.me.name}-${data.coder_workspace.this.name}"
    region = data.coder_parameter.region.value
    cores  = local.cores
    agent  = coder_agent.main.id
  }
}

resource "coder_metadata" "machine" {
  count = local.machines

  resource_id = terraform_data.machine[count.index].id
  icon        = "/icon/memory.svg"
  daily_cost  = local.cores * var.daily_cost_per_core

  item {
    key   = "cores"
    value = local.cores
  }

  item {
    key   = "region"
    value = data.coder_parameter.region.value
  }

  item {
    key       = "contact"
    value     = data.coder_workspace_owner.me.email
    sensitive = true
  }
}
