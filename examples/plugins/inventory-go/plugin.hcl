name        = "inventory-go"
version     = "0.1.0"
description = "Provisions what a template lists in inventory.txt: an example in Go"
license     = "Apache-2.0"
requests    = ["init", "parse", "plan", "apply", "graph"]
snapshot    = true
