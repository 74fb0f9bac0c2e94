# replace.plan.json is the plan of this template after it was applied with the defaults, terraform_data.tainted was tainted,
# and changed became "2".

variable "changed" {
  default = "1"
}

variable "secret" {
  default   = "never shown"
  sensitive = true
}

resource "terraform_data" "source" {
  input = var.changed
}

resource "terraform_data" "plain" {
  triggers_replace = { a = var.changed, "b.c" = [1, "x<&>"] }
}

resource "terraform_data" "unknown" {
  triggers_replace = { a = terraform_data.source.output, b = 1 }
}

resource "terraform_data" "both" {
  triggers_replace = [terraform_data.source.output, var.secret]
}

resource "terraform_data" "many" {
  count            = 2
  triggers_replace = var.changed
  lifecycle {
    create_before_destroy = true
  }
}

resource "terraform_data" "tainted" {
  input = 1
}
