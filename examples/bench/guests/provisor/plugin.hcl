name        = "bench"
version     = "0.1.0"
description = "Reads a template's variables, to be compared"
license     = "Apache-2.0"
requests    = ["init", "parse"]
snapshot    = true
