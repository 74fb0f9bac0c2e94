terraform {
  required_providers {
    coder = {
      source = "coder/coder"
    }
  }
}

data "coder_parameter" "region" {
  name    = "Region"
  default = "eu"
}

data "coder_parameter" "cores" {
  name    = "Cores"
  type    = "number"
  default = 4
}

data "coder_workspace_preset" "small" {
  name        = "Small"
  description = "for a browser"
  icon        = "/icon/small.svg"
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
      schedule {
        cron      = "* 8-12 * * 6"
        instances = 1
      }
    }
  }
}

data "coder_workspace_preset" "none" {
  name = "None"
}
