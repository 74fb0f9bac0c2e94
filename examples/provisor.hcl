# A daemon with two tenants, every line explained. Check a file with
#   provisor config check provisor.hcl
# and start the daemon with
#   provisor serve --config provisor.hcl
# provisor reload, or SIGHUP, makes it read the file again: a good one holds for sessions that begin from then on, a bad one changes nothing.
# Paths that are relative are so to this file. All sizes take a unit ("64MiB"), all durations too ("90s", "5m").

# What must not be lost: the directories of sessions, and states of applies that could not be delivered.
data_dir = "/var/lib/provisor"
# What can be made again: compiled plugins, engines, providers, what sessions keep for later ones.
cache_dir = "/var/cache/provisor"

# How many requests run at once. Others wait for their turn. Default: one per core, at least two.
concurrency = 4
# How long running sessions may go on after SIGTERM.
drain_timeout = "5m"
# The largest message of a client; plans and states come in one.
max_message = "64MiB"
# How many sessions may be open, in all and on one connection.
max_streams                = 10000
max_streams_per_connection = 100
# Within how long a client that has vanished is noticed.
keepalive = "30s"

# An apply is refused where less is free than this,
min_free = "256MiB"
# this much is set aside to be given up for states when the disk is full,
ballast = "64MiB"
# and a tenant whose undelivered states are more than this can't apply.
max_kept = "1GiB"
# Providers that sessions have downloaded are kept for the tenant's later ones, up to this.
provider_cache = "10GiB"

# What plugins are told; each says which names it knows. The terraform plugin derives the dependencies between resources from the configuration
# where it is sure and that is quick, and asks the engine otherwise: with terraform_graph = "engine" always, with "configuration" never.
plugin_settings = {}

# A unix socket that only the daemon's user can open. Whoever shows no credentials there is the tenant named.
listen "unix:/run/provisor/provisor.sock" {
  anonymous = "platform"
}

# Where an operator's commands are taken (provisor plugin, reload and the like): a unix socket that only the daemon's user can open. Default:
# beside the first socket above, here /run/provisor/provisor-admin.sock; "none" takes none.
admin_socket = "/run/provisor/admin.sock"

# A TCP port. Clients show a token, or a certificate that client_ca has signed. "optional" lets in those without one, if
# they have a token; the default is "required".
listen "0.0.0.0:7070" {
  tls_cert            = "tls/server.pem"
  tls_key             = "tls/server.key"
  client_ca           = "tls/clients.pem"
  client_certificates = "optional"
}

# What is around all engines. The daemon does not start where a layer is missing that is required; without this block it takes what the machine
# offers. provisor doctor --config provisor.hcl says what that is, and how to get the rest.
jail {
  require = ["process-tree", "root", "landlock", "seccomp", "no-new-privs", "capabilities", "rlimits"]
  # Layers that are left out.
  disable = []
  # Files and directories that engines may read and execute, beside the system's own.
  expose = ["/etc/provisor/modules"]
  # User ids that no account has. Each tenant's engines run as one of them, for good; the daemon must be root's. Default: all run as the daemon's user.
  uids = "200000-265535"
  # Requests whose programs get no network: init, parse, plan, apply, graph. Default: parse and graph.
  offline = ["parse", "graph"]
}

# An engine. Without any, terraform or tofu on the PATH is taken, or an OpenTofu is built.
engine "stable" {
  # The binary: a path, or a name to be looked for on the PATH.
  path = "terraform"
  # Which versions will do; a daemon whose engine is another does not start. Without a path, or with "tofu" where there is none, the first on the
  # PATH that will do is taken; where none does, the OpenTofu that Provisor can build, if that one does. It is built with Go, once.
  version = "~> 1.11"
  # A directory of providers, as "terraform providers mirror" makes it, that is looked into before any registry.
  mirror = "mirror"
  # Engines get nothing of the daemon's environment but what is let through here,
  pass_env = ["HTTPS_PROXY", "NO_PROXY"]
  # and what is set here.
  env = { TF_REGISTRY_CLIENT_TIMEOUT = "30" }
  # More for this engine alone: what it requires, disables and exposes is added to the above, offline is in its place.
  jail {
    expose  = ["/opt/cloud-cli"]
    offline = ["parse", "plan", "graph"]
  }
}

# A plugin, at a version that is installed when the daemon starts or reads the file again: its bytes, its name and version, what it asks for, and
# whether it answers are checked first. Without any block, provisor plugin use and the like say which plugin sessions get; what is said
# here can't be said otherwise by those.
plugin "mine" {
  # The one in its manifest. Without version and source, provisor plugin use says which version that is.
  version = "1.2.0"
  # The file: a path, or https://. Without one the version must be installed already.
  source = "plugins/mine-1.2.0.wasm"
  # What sha256sum prints for the file. https:// needs it.
  sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  # What it may use of the machine, if its manifest asks for it: the engine, and the variables that it may set for it. This is the default.
  grants {
    programs = ["terraform"]
    env      = ["TF_VAR_*", "TF_LOG", "CODER_*"]
  }
  # Limits of its sessions in the place of those for all. Where the tenant has its own as well, the lower holds.
  limits {
    memory_bytes = "128MiB"
  }
}

# A tenant. Its sessions have directories, a cache and limits of their own, and see nothing of another tenant's.
tenant "platform" {}

tenant "team-a" {
  # What its clients are known by: hashes of tokens (printf %s TOKEN | sha256sum), here
  token_sha256 = ["9b74c9897bac770ffc029102a200c5de2ad1c9a7d1d1f4a5b3d5e6f7a8b9c0d1"]
  # or a line each in files; subjects of certificates (openssl x509 -noout -subject -nameopt RFC2253 -in FILE),
  token_files          = ["team-a.tokens"]
  certificate_subjects = ["CN=team-a,O=Example"]
  # or certificates' own hashes (openssl x509 -noout -fingerprint -sha256 -in FILE).
  certificate_sha256 = ["5C:1F:6E:2B:0D:9A:4E:33:71:28:FA:90:CC:12:6B:E4:07:D5:8F:3A:B1:49:60:2E:95:DD:14:7B:A8:06:C3:5E"]

  # Its engine, by name. Default: the first.
  engine = "stable"
  # Its plugin, by name, or one of several versions that are declared: "mine@1.2.0". Default: the first plugin, and of that the first version.
  plugin = "mine"
  # What the engine gets for this tenant alone, over what it gets for all.
  env      = { AWS_REGION = "eu-central-1" }
  pass_env = []

  # Its part of the time in which requests run, when others want some too. Default: 1.
  weight = 2
  # How many of its requests run at once. Default: all but one where there are other tenants.
  concurrency = 2
  # How many of its new sessions may wait for their turn, and how many of its sessions may be open. More are refused.
  queue    = 100
  sessions = 1000
  # How much its sessions, its caches and the states that are kept for it may hold in all: beyond it new sessions are refused, and those that are open
  # go on within their own disk_bytes. The caches take at most half of it. Default: what the disk has.
  disk = "50GiB"

  # Limits in the place of those for all.
  limits {
    disk_bytes      = "1GiB"
    memory_bytes    = "128MiB"
    request_timeout = "30m"
  }
}

# Limits of each session and request. An error names the limit that was hit by these names.
limits {
  # Each may be left out; provisor serve --help lists all that there are, with their defaults.
  log_bytes    = "64MiB"
  program_runs = 100
  # How long an engine may take to end by itself after a cancel, and a plugin to answer then. An apply whose daemon has died may go on for as long
  # before it is interrupted.
  exit_timeout = "3m"
  grace_period = "10s"
}

# How the daemon is watched from outside.
telemetry {
  # Metrics for Prometheus (/metrics), and whether the daemon lives (/healthz) and takes sessions (/readyz), over plain HTTP. Nobody is asked who
  # they are, so it is for this machine alone; insecure = true lets an address be one that others reach.
  listen = "localhost:9464"

  # Traces go to a collector that takes OTLP over gRPC. A stream whose metadata has a traceparent is a part of that trace, and the engine gets
  # TRACEPARENT, so that what runs in it can be another. Without this block none are sent.
  traces {
    endpoint = "collector.example.com:4317"
    # The certificates that sign the collector's (default: the system's); or insecure = true without TLS.
    ca = "tls/collector-ca.pem"
    # A header in each line, as "authorization: Bearer TOKEN". They are sent along, and appear nowhere else.
    headers_file = "collector.headers"
    # The share of sessions that are traced where the client does not say. Default: 1.
    sample_ratio = 0.1
  }
}

# The daemon's log, on its standard error.
log {
  level  = "info"
  format = "json"
}

# Each session leaves a line in this file when it ends: whose it was, what it ran, and what it came to. Without it, in the log.
audit {
  file = "/var/log/provisor/audit.log"
}
