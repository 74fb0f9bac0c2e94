# Makes a greeting out of a name.

variable "name" {
  description = "Who is greeted"
  type        = string
}

resource "terraform_data" "text" {
  input = "Hello, ${var.name}!"
}

output "text" {
  description = "The whole greeting"
  value       = terraform_data.text.input
}
