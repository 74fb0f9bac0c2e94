# The configuration of "From nothing to a daemon for two tenants" in README.md. All settings that there are, explained: ../provisor.hcl
data_dir = "data"

# Where the tenants' clients come.
listen "localhost:7443" {
  tls_cert = "server.pem"
  tls_key  = "server.key"
}

# Where the one who operates the daemon does: provisor plugin, sessions, reload.
admin_socket = "admin.sock"

# The daemon doesn't start where these parts of the jail around engines can't be had.
jail {
  require = ["process-tree", "root", "landlock", "seccomp", "no-new-privs", "capabilities"]
}

tenant "team-a" {
  token_files = ["team-a.tokens"]
  concurrency = 2
}

tenant "team-b" {
  token_files = ["team-b.tokens"]
  sessions    = 10
  limits {
    memory_bytes = "128MiB"
  }
}

# Metrics and health, for this machine alone.
telemetry {
  listen = "localhost:9464"
}

audit {
  file = "audit.log"
}
