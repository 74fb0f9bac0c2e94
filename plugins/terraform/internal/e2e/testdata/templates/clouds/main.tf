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

resource "coder_agent" "aws" {
  os   = "linux"
  arch = "amd64"
  auth = "aws-instance-identity"
}

resource "aws_instance" "machine" {
  provider      = fixture
  instance_type = "t3.micro"
  user_data     = coder_agent.aws.init_script
}

resource "coder_agent" "spot" {
  os   = "linux"
  arch = "amd64"
  auth = "aws-instance-identity"
}

resource "aws_spot_instance_request" "machine" {
  provider      = fixture
  instance_type = "t3.large"
  user_data     = coder_agent.spot.init_script
}

resource "coder_agent" "google" {
  os   = "linux"
  arch = "amd64"
  auth = "google-instance-identity"
}

resource "google_compute_instance" "machine" {
  provider     = fixture
  machine_type = "e2-small"
  user_data    = coder_agent.google.init_script
}

resource "coder_agent" "azure" {
  os   = "linux"
  arch = "amd64"
  auth = "azure-instance-identity"
}

resource "azurerm_linux_virtual_machine" "machine" {
  provider  = fixture
  size      = "B1s"
  user_data = coder_agent.azure.init_script
}

resource "coder_agent" "windows" {
  os   = "windows"
  arch = "amd64"
  auth = "azure-instance-identity"
}

resource "azurerm_windows_virtual_machine" "machine" {
  provider  = fixture
  size      = "B2s"
  user_data = coder_agent.windows.init_script
}

# Told by an association instead of the holder's attribute.
resource "coder_agent" "told" {
  os   = "linux"
  arch = "amd64"
  auth = "aws-instance-identity"
}

resource "coder_agent_instance" "told" {
  agent_id    = coder_agent.told.id
  instance_id = "i-told"
}

resource "terraform_data" "told" {
  input = coder_agent.told.init_script
}
