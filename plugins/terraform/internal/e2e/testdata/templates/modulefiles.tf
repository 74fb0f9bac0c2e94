module "small" {
  source = "PACKED//small"
}

module "whole" {
  source = "PACKED"
}

module "inside" {
  source = "./inside"
}
