package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
)

const (
	secretHash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" // of "secret"
	fileHash   = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" // of each plugin's file
	pinHash    = "ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89"
)

// fakeFiles have all files but those whose name has "missing" in it.
type fakeFiles struct{}

func (fakeFiles) isFile(path string) error {
	if strings.Contains(path, "missing") {
		return &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
	}
	return nil
}
func (f fakeFiles) isDir(path string) error  { return f.isFile(path) }
func (f fakeFiles) exists(path string) error { return f.isFile(path) }
func (f fakeFiles) identify(path string) (plugin.Ref, string, error) {
	name, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".wasm"), "-")
	return plugin.Ref{Name: name, Version: version}, fileHash, f.isFile(path)
}
func (f fakeFiles) tokens(path string, owner tenant.Tenant) ([]access.Credential, error) {
	h := access.Hash(sha256.Sum256([]byte(path)))
	if strings.Contains(path, "others") {
		owner = tenant.Default
	}
	return []access.Credential{{Tenant: owner, Token: &h}}, f.isFile(path)
}
func (fakeFiles) headers(string) error { return nil }
func (fakeFiles) checkTLS(cert, key, clientCA string) error {
	if strings.Contains(key, "wrong") {
		return errors.New("the key does not fit")
	}
	return nil
}

func hash(t *testing.T, text string) *access.Hash {
	t.Helper()
	h, err := access.ParseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func tenantOf(t *testing.T, name string) tenant.Tenant {
	t.Helper()
	tn, err := tenant.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func TestEverything(t *testing.T) {
	source := `
data_dir  = "/var/lib/provisor"
cache_dir = "cache"

concurrency   = 4
drain_timeout = "2m"
keepalive     = "20s"
max_message   = "32MiB"
max_streams   = 500
max_streams_per_connection = 50
min_free = "1GiB"
ballast  = 0
max_kept = 1048576
provider_cache = "2GiB"
plugin_settings = { graph = "engine" }
admin_socket   = "run/admin"

jail {
  require = ["landlock", "seccomp"]
  disable = ["ipc"]
  expose  = ["tools", "/opt/tools"]
  offline = ["graph"]
}

listen "unix:run/socket" {
  anonymous = "local"
}
listen "0.0.0.0:7070" {
  tls_cert  = "tls/cert.pem"
  tls_key   = "/tls/key.pem"
  client_ca = "tls/ca.pem"
  client_certificates = "optional"
}

engine "stable" {
  path     = "/opt/terraform"
  version  = "1.11.4"
  mirror   = "mirror"
  env      = { B = "2=3", A = "" }
  pass_env = ["HTTPS_PROXY"]
}
engine "tofu" {
  path    = "tofu"
  version = "~> 1.9, < 1.13"
  jail {
    require = ["root"]
    offline = []
  }
}

plugin "mine" {
  version = "1.2.0"
  source  = "plugins/mine-1.2.0.wasm"
  sha256  = "sha256:` + fileHash + `"
  grants {
    programs = ["terraform"]
    env      = ["TF_VAR_*"]
  }
  limits {
    memory_bytes = "128MiB"
  }
}
plugin "mine" {
  source = "file:///opt/mine-1.1.0.wasm"
}
plugin "far" {
  version = "3.0.0"
  source  = "https://example.com/far.wasm"
  sha256  = "` + strings.ToUpper(fileHash) + `"
}
plugin "there" {}

tenant "local" {}

tenant "team-a" {
  token_sha256         = ["` + secretHash + `"]
  token_files          = ["a.tokens"]
  certificate_subjects = ["CN=team-a,O=Example"]
  certificate_sha256   = ["sha256:` + pinHash + `"]
  engine      = "tofu"
  plugin      = "mine@1.1.0"
  env         = { AWS_REGION = "eu-central-1" }
  weight      = 3
  concurrency = 2
  queue       = 10
  sessions    = 20
  disk        = "50GiB"
  limits {
    disk_bytes      = "1GiB"
    memory_bytes    = "64MiB"
    cpu_millis      = "30s"
    request_timeout = "10m"
    exit_timeout    = "1m30s"
  }
}

limits {
  files        = 1000
  log_bytes    = "1MB"
  grace_period = "5s"
}

log {
  level  = "debug"
  format = "json"
}

audit {
  file = "/var/log/audit"
}

telemetry {
  listen   = "0.0.0.0:9464"
  insecure = true
  traces {
    endpoint     = "collector:4317"
    ca           = "tls/ca.pem"
    headers_file = "headers"
    sample_ratio = 0.25
  }
}
`
	got, problems := parse([]byte(source), "/etc/provisor/provisor.hcl", fakeFiles{})
	at := func(text string) string {
		before, _, _ := strings.Cut(source, text)
		return fmt.Sprintf("/etc/provisor/provisor.hcl:%d", strings.Count(before, "\n")+1)
	}
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	local, a := tenantOf(t, "local"), tenantOf(t, "team-a")
	file := access.Hash(sha256.Sum256([]byte("/etc/provisor/a.tokens")))
	want := &Config{
		File: "/etc/provisor/provisor.hcl", DataDir: "/var/lib/provisor", CacheDir: "/etc/provisor/cache",
		Concurrency: 4, DrainTimeout: 2 * time.Minute, Keepalive: 20 * time.Second,
		MaxMessage: 32 << 20, MaxStreams: 500, MaxStreamsPerConnection: 50, MinFree: 1 << 30, Ballast: -1, MaxKept: 1 << 20, ProviderCache: 2 << 30,
		PluginSettings: map[string]string{"graph": "engine"},
		AdminSocket:    "/etc/provisor/run/admin",
		Jail: Jail{
			Require: []jail.Layer{jail.Landlock, jail.Seccomp}, Disable: []jail.Layer{jail.IPC}, Expose: []string{"/etc/provisor/tools", "/opt/tools"},
			Offline: []string{"graph"},
		},
		Listeners: []Listener{
			{Address: "unix:/etc/provisor/run/socket", Anonymous: local},
			{Address: "0.0.0.0:7070", TLSCert: "/etc/provisor/tls/cert.pem", TLSKey: "/tls/key.pem", ClientCA: "/etc/provisor/tls/ca.pem", CertificateOptional: true},
		},
		Engines: []Engine{
			{Name: "stable", Path: "/opt/terraform", Version: "1.11.4", Mirror: "/etc/provisor/mirror", Env: []string{"HTTPS_PROXY", "A=", "B=2=3"}},
			{Name: "tofu", Path: "tofu", Version: "~> 1.9, < 1.13", Jail: Jail{Require: []jail.Layer{jail.Root}, Offline: []string{}}},
		},
		Plugins: []Plugin{
			{
				Ref: plugin.Ref{Name: "mine", Version: "1.2.0"}, Source: "/etc/provisor/plugins/mine-1.2.0.wasm", Digest: fileHash, At: at("plugin \"mine\" {"),
				Grants: &plugin.Grants{Programs: []string{"terraform"}, Env: []string{"TF_VAR_*"}}, Limits: &guestpb.Limits{MemoryBytes: 128 << 20},
			},
			{Ref: plugin.Ref{Name: "mine", Version: "1.1.0"}, Source: "/opt/mine-1.1.0.wasm", Digest: fileHash, At: at("plugin \"mine\" {\n  source")},
			{Ref: plugin.Ref{Name: "far", Version: "3.0.0"}, Source: "https://example.com/far.wasm", Digest: fileHash, At: at("plugin \"far\"")},
			{Ref: plugin.Ref{Name: "there"}, At: at("plugin \"there\"")},
		},
		Tenants: []Tenant{
			{Tenant: local, Limits: Limits{Limits: &guestpb.Limits{}}},
			{
				Tenant: a, Engine: "tofu", Plugin: plugin.Ref{Name: "mine", Version: "1.1.0"}, Env: []string{"AWS_REGION=eu-central-1"}, Weight: 3, Concurrency: 2, Queue: 10, Sessions: 20, Disk: 50 << 30,
				Credentials: []access.Credential{
					{Tenant: a, Token: hash(t, secretHash)}, {Tenant: a, Certificate: hash(t, pinHash)},
					{Tenant: a, Subject: "CN=team-a,O=Example"}, {Tenant: a, Token: &file},
				},
				Limits: Limits{Limits: &guestpb.Limits{DiskBytes: 1 << 30, MemoryBytes: 64 << 20, CpuMillis: 30_000, RequestMillis: 600_000}, ExitTimeout: 90 * time.Second},
			},
		},
		AuditFile: "/var/log/audit",
		Telemetry: Telemetry{Listen: "0.0.0.0:9464", Insecure: true, Traces: Traces{
			Endpoint: "collector:4317", CA: "/etc/provisor/tls/ca.pem", HeadersFile: "/etc/provisor/headers", SampleRatio: 0.25,
		}},
		Limits: Limits{Limits: &guestpb.Limits{Files: 1000, LogBytes: 1_000_000}, GracePeriod: 5 * time.Second},
		Log:    Log{Level: slog.LevelDebug, Format: "json"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), cmp.Comparer(func(a, b tenant.Tenant) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// An empty file is what a daemon without a configuration does.
func TestNothing(t *testing.T) {
	got, problems := parse(nil, "/p.hcl", fakeFiles{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(got.Tenants) != 0 || len(got.Listeners) != 1 || got.Listeners[0] != (Listener{Anonymous: tenant.Default}) {
		t.Errorf("got %+v", got)
	}
}

// Every problem has its line and says what to do, all of them come at once, and no secret is in one.
func TestProblems(t *testing.T) {
	const good = "tenant \"a\" {\n  token_sha256 = [\"" + secretHash + "\"]\n}\n" // three lines
	for name, tt := range map[string]struct {
		source string
		want   []string
	}{
		"syntax":              {"a = \nlisten {", []string{`1:5: Expected the start of an expression`}},
		"an unknown key":      {"concurency = 2\n", []string{`1:1: unknown key "concurency": did you mean "concurrency"?`}},
		"a far unknown key":   {"log {\n colour = true\n}\n", []string{`2:2: unknown key "colour" in log: there are format, level`}},
		"an unknown block":    {"tenants \"a\" {\n}\n", []string{`1:1: unknown block "tenants": did you mean "tenant"?`}},
		"no block at all":     {"log {\n  x {\n  }\n}\n", []string{`2:3: unknown block "x" in log: nothing may stand here`}},
		"a block as a value":  {"log = {}\n", []string{`1:1: log is a block: write it without the equals sign`}},
		"a value as a block":  {"concurrency {\n}\n", []string{`1:1: concurrency is a value, not a block: write concurrency = ...`}},
		"in a tenant":         {"tenant \"a\" {\n  token_sha265 = []\n}\n", []string{`2:3: unknown key "token_sha265" in tenant "a": did you mean "token_sha256"?`}},
		"in a tenant's limit": {good + "tenant \"b\" {\n  limits {\n    disk = 1\n  }\n}\n", []string{`6:5: unknown key "disk" in limits: did you mean "disk_bytes"?`}},
		"a limit of all":      {good + "tenant \"b\" {\n  limits {\n    module_bytes = 1\n  }\n}\n", []string{`6:5: module_bytes can't be set here: set it for all`}},
		"a number":            {"concurrency = \"many\"\n", []string{`1:16: Unsuitable value: a number is required`}},
		"too small a number":  {"concurrency = 0\nmax_streams = -1\n", []string{`1:15: concurrency is 0: want a number from 1 on`, `2:15: max_streams is -1`}},
		"a fraction":          {"concurrency = 1.5\n", []string{`1:15: Unsuitable value`}},
		"a tenant's disk":     {"tenant \"a\" {\n  disk = \"none\"\n}\n", []string{`2:10: disk is "none": want a number of bytes`}},
		"a duration":          {"drain_timeout = 5\nkeepalive = \"-1s\"\n", []string{`1:17: drain_timeout is "5": want a duration such as "90s" or "5m"`, `2:13: keepalive is "-1s"`}},
		"a size":              {"max_message = \"big\"\nmin_free = \"-1\"\n", []string{`1:15: max_message is "big": want a number of bytes`, `2:12: min_free`}},
		"a limit":             {"limits {\n  disk_bytes = 0\n  request_timeout = \"x\"\n  files = [1]\n}\n", []string{`2:16: disk_bytes is "0"`, `3:21: request_timeout is "x"`, `4:11: files: want a number`}},
		"a variable":          {"data_dir = var.x\n", []string{`1:12: Variables may not be used here`}},
		"twice":               {"data_dir = \"a\"\ndata_dir = \"b\"\n", []string{`2:1: The argument "data_dir" was already set`}},
		"two logs":            {"log {}\nlog {}\n", []string{`2:1: Only one log block is allowed`}},
		"open metrics":        {"telemetry {\n  listen = \"0.0.0.0:1\"\n}\n", []string{`2:12: whoever reaches 0.0.0.0:1 could read the names of tenants`}},
		"no metrics' address": {"telemetry {\n  listen = \"nowhere\"\n}\n", []string{`2:12: address "nowhere": want unix:PATH or HOST:PORT`}},
		"insecure for none":   {"telemetry {\n  insecure = true\n}\n", []string{`2:14: insecure is for a listen address, and there is none`}},
		"insecure for itself": {"telemetry {\n  listen = \"localhost:1\"\n  insecure = true\n}\n", []string{`3:14: only this machine reaches localhost:1`}},
		"no collector":        {"telemetry {\n  traces {\n    endpoint = \"http://x\"\n  }\n}\n", []string{`3:16: endpoint is "http://x": want the HOST:PORT of a collector`}},
		"too many traces":     {"telemetry {\n  traces {\n    endpoint = \"x:1\"\n    sample_ratio = 2\n  }\n}\n", []string{`4:20: sample_ratio is 2: want a share from 0 to 1`}},
		"TLS without":         {"telemetry {\n  traces {\n    endpoint = \"x:1\"\n    insecure = true\n    ca = \"y\"\n  }\n}\n", []string{`5:10: ca is for TLS`}},
		"a log level":         {"log {\n  level = \"loud\"\n}\n", []string{`2:11: level is "loud": want one of info, debug, warn, error`}},
		"a label":             {"tenant {\n}\n", []string{`1:8: All tenant blocks must have 1 labels (name)`}},
		"a tenant's name":     {"tenant \"A b\" {\n}\n", []string{`1:1: tenant name "A b": want lower-case letters`}},
		"a tenant twice":      {good + good, []string{`4:1: tenant "a" is declared on line 1 already`}},
		"a token itself":      {"tenant \"a\" {\n  token_sha256 = [\"hunter2\"]\n}\n", []string{`2:18: token_sha256, entry 1: want a SHA-256, as 64 hexadecimal digits`}},
		"a token of two": {good + "tenant \"b\" {\n  token_sha256 = [\"" + secretHash + "\"]\n}\n",
			[]string{`1:1: tenants a and b have the token whose hash begins with 2bb80d53 in common`}},
		"a token file that is not there": {"tenant \"a\" {\n  token_files = [\"missing\"]\n}\n", []string{`2:17: stat /etc/missing: file does not exist`}},
		"a token file of another":        {"tenant \"a\" {\n  token_files = [\"others\"]\n}\n", []string{`2:17: /etc/others has a token of tenant default`}},
		"a subject":                      {"tenant \"a\" {\n  certificate_subjects = [\"team\"]\n}\n", []string{`2:26: certificate_subjects, entry 1 is "team": want the whole subject, such as "CN=team-a,O=Example"`}},
		"an engine that is none":         {good + "tenant \"b\" {\n  engine = \"x\"\n}\nengine \"y\" {}\n", []string{`5:12: there is no engine "x": declare it, or take one of "y"`}},
		"an engine that is missing":      {good + "engine \"y\" {\n  path = \"./missing\"\n  mirror = \"missing\"\n}\n", []string{`5:10: path: stat /etc/missing`, `6:12: mirror: stat`}},
		"an engine's version":            {good + "engine \"y\" {\n  version = \"newest\"\n}\n", []string{`5:13: version "newest": want one such as "1.11.4"`}},
		"a plugin's name":                {"plugin \"A\" {}\nplugin \"a@1.0.0\" {}\n", []string{`1:1: plugin "A": want the name in its manifest`, `2:1: plugin "a@1.0.0": want`}},
		"a plugin's key":                 {"plugin \"a\" {\n  sha265 = \"\"\n  grants {\n    program = []\n  }\n}\n", []string{`2:3: unknown key "sha265" in plugin "a": did you mean "sha256"?`, `4:5: unknown key "program" in grants: did you mean "programs"?`}},
		"a plugin's version":             {"plugin \"a\" {\n  version = \"latest\"\n  sha256 = \"12\"\n}\n", []string{`2:13: version is "latest": want the one in its manifest`, `3:12: sha256 is "12": want the file's SHA-256`}},
		"a plugin that is missing":       {"plugin \"a\" {\n  source = \"missing.wasm\"\n}\n", []string{`2:12: source: stat /etc/missing.wasm`}},
		"another plugin":                 {"plugin \"a\" {\n  version = \"2.0.0\"\n  source = \"b-1.0.0.wasm\"\n}\n", []string{`1:1: plugin "a": /etc/b-1.0.0.wasm is the plugin b: call it so`}},
		"another version":                {"plugin \"a\" {\n  version = \"2.0.0\"\n  source = \"a-1.0.0.wasm\"\n}\n", []string{`2:13: version is "2.0.0", but /etc/a-1.0.0.wasm is a@1.0.0`}},
		"other bytes":                    {"plugin \"a\" {\n  source = \"a-1.0.0.wasm\"\n  sha256 = \"" + strings.Repeat("0", 64) + "\"\n}\n", []string{`3:12: sha256 is 0000`}},
		"a digest of nothing":            {"plugin \"a\" {\n  sha256 = \"" + strings.Repeat("0", 64) + "\"\n}\n", []string{`2:12: sha256 says nothing without a source`}},
		"a source by other means":        {"plugin \"a\" {\n  source = \"http://x/a.wasm\"\n}\n", []string{`2:12: source begins with "http://": want a path, file:// or https://`}},
		"a source that nobody vouches for": {"plugin \"a\" {\n  source = \"https://x/a.wasm\"\n}\nplugin \"b\" {\n  source = \"https://u:hunter2@x/a.wasm\"\n}\n",
			[]string{`2:12: source: what comes over the network needs version and sha256`, `5:12: source: want an address such as`}},
		"a plugin's grants":   {"plugin \"a\" {\n  grants {\n    env = [\"A B\"]\n  }\n}\n", []string{`2:3: "A B" is not a variable's name`}},
		"a plugin's limits":   {"plugin \"a\" {\n  limits {\n    exit_timeout = \"1s\"\n    memory = 1\n  }\n}\n", []string{`3:5: exit_timeout can't be set here`, `4:5: unknown key "memory" in limits: did you mean "memory_bytes"?`}},
		"a plugin twice":      {"plugin \"a\" {}\nplugin \"a\" {\n  source = \"a-1.0.0.wasm\"\n}\nplugin \"b\" {}\nplugin \"b\" {}\n", []string{`2:1: plugin "a" is declared at /etc/p.hcl:1 too: give each its version`, `6:1: plugin "b" is declared on line 5 already`}},
		"grants of a version": {"plugin \"a\" {\n  version = \"1.0.0\"\n}\nplugin \"a\" {\n  version = \"2.0.0\"\n  limits {}\n}\n", []string{`4:1: plugin "a": grants and limits are for all versions: say them where it is declared first, at /etc/p.hcl:1`}},
		"a plugin that is none": {"plugin \"a\" {\n  version = \"1.0.0\"\n}\ntenant \"t\" {\n  token_sha256 = [\"" + secretHash + "\"]\n  plugin = \"a@2.0.0\"\n}\ntenant \"u\" {\n  plugin = \"A\"\n}\n",
			[]string{`6:12: there is no plugin "a@2.0.0": declare it, or take one of "a@1.0.0"`, `9:12: plugin: "A" is not a plugin's name`}},
		"environment":                    {good + "engine \"y\" {\n  env = { \"A=B\" = \"c\" }\n  pass_env = [\"\"]\n}\n", []string{`5:9: "A=B" can't be the name of a variable`, `6:14: "" can't be the name`}},
		"an address":                     {good + "listen \"nowhere\" {}\n", []string{`4:1: address "nowhere": want unix:PATH or HOST:PORT`}},
		"an address twice":               {good + "listen \"unix:/s\" {}\nlisten \"unix:///s\" {}\n", []string{`5:1: listen "unix:/s" is declared on line 4 already`}},
		"an anonymous tenant":            {good + "listen \"unix:/s\" {\n  anonymous = \"b\"\n}\n", []string{`5:15: there is no tenant "b": declare it, or take one of "a"`}},
		"open to all":                    {good + "listen \":1\" {\n  anonymous = \"a\"\n}\n", []string{`4:1: listen ":1": anybody who reaches this address could run programs`}},
		"nobody is known":                {"tenant \"a\" {}\nlisten \"unix:/s\" {}\n", []string{`2:1: listen "unix:/s": nobody could open a session here`}},
		"nobody is asked":                {"tenant \"a\" {\n  certificate_subjects = [\"CN=a\"]\n}\nlisten \"unix:/s\" {}\n", []string{`4:1: listen "unix:/s": nobody could open`}},
		"insecure for nothing":           {good + "listen \":1\" {\n  insecure = true\n}\n", []string{`4:1: listen ":1": insecure is for a TCP address with an anonymous tenant`}},
		"half of TLS":                    {good + "listen \":1\" {\n  tls_cert = \"c\"\n}\n", []string{`4:1: listen ":1": tls_cert and tls_key go together`}},
		"a client CA alone":              {good + "listen \":1\" {\n  client_ca = \"c\"\n}\n", []string{`4:1: listen ":1": client_ca needs tls_cert`}},
		"a key that does not fit":        {good + "listen \":1\" {\n  tls_cert = \"c\"\n  tls_key = \"wrong\"\n}\n", []string{`4:1: listen ":1": the key does not fit`}},
		"a certificate that is missing":  {good + "listen \":1\" {\n  tls_cert = \"missing\"\n  tls_key = \"k\"\n}\n", []string{`5:14: tls_cert: stat /etc/missing`}},
		"certificates that nobody wants": {good + "listen \":1\" {\n  client_certificates = \"required\"\n}\n", []string{`4:1: listen ":1": client_certificates needs client_ca`}},
		"a layer that is none":           {good + "jail {\n  require = [\"landlok\"]\n  disable = [\"x\"]\n}\n", []string{`5:13: require: there is no layer "landlok": did you mean "landlock"?`, `6:13: disable: there is no layer "x": there are process-tree`}},
		"a layer that is wanted and not": {good + "jail {\n  require = [\"ipc\"]\n  disable = [\"ipc\"]\n}\n", []string{`6:13: layer "ipc" is both required and disabled`}},
		"an engine against all":          {good + "jail {\n  require = [\"ipc\"]\n  disable = [\"root\"]\n}\nengine \"x\" {\n  jail {\n    disable = [\"ipc\"]\n    require = [\"root\"]\n  }\n}\n", []string{`10:15: engine "x" disables layer "ipc"`, `11:15: engine "x" requires layer "root"`}},
		"what is exposed":                {good + "jail {\n  expose = [\"/\", \"missing\", \"\"]\n}\n", []string{`5:12: expose has "/": want files and directories, not the root`, `5:12: expose: stat /etc/missing`, `5:12: expose has "": want files`}},
		"a request that is none":         {good + "jail {\n  offline = [\"prase\"]\n}\n", []string{`5:13: offline: there is no request "prase": did you mean "parse"?`}},
		"a key of the jail":              {good + "jail {\n  requires = []\n}\n", []string{`5:3: unknown key "requires" in jail: did you mean "require"?`}},
		"two jails":                      {good + "jail {}\njail {}\n", []string{`5:1: Only one jail block is allowed`}},
		"an admin address":               {good + "admin_socket = \"localhost:80\"\n", []string{`4:16: admin_socket is "localhost:80": want the path of a unix socket, or "none"`}},
		"an admin socket for sessions":   {good + "admin_socket = \"s\"\nlisten \"unix:/etc/s\" {}\n", []string{`4:16: admin_socket: sessions are served at /etc/s`}},
		"too deep":                       {"data_dir = " + strings.Repeat("(", 200), []string{`1:112: this is nested too deeply`}},
		"too many operators":             {"data_dir = " + strings.Repeat("!", 2000), []string{`this is nested too deeply`}},
		"everything at once": {"concurency = 2\nlog {\n  level = \"x\"\n}\ntenant \"a\" {\n  weight = 0\n  queue = -1\n}\nlisten \"x\" {}\n",
			[]string{`1:1: unknown key`, `3:11: level`, `6:12: weight is 0`, `7:11: queue is -1`, `9:1: address "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := parse([]byte(tt.source), "/etc/p.hcl", fakeFiles{})
			if len(problems) == 0 {
				t.Fatalf("got no problem, want %q", tt.want)
			}
			rest := problems
			for _, want := range tt.want {
				found := false
				for i, p := range rest {
					if found = strings.Contains(p.String(), want); found {
						rest = rest[i+1:]
						break
					}
				}
				if !found {
					t.Errorf("got\n%v\nwant %q in it, in this order", problems, want)
				}
			}
			for _, p := range problems {
				if p.Line == 0 || p.File != "/etc/p.hcl" {
					t.Errorf("no place: %s", p)
				}
			}
			if text := problems.Error(); strings.Contains(text, secretHash) || strings.Contains(text, "hunter2") {
				t.Errorf("a secret is given away: %s", text)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("tokens", secretHash+"\n")
	c, err := Load(write("good.hcl", "tenant \"a\" {\n  token_files = [\"tokens\"]\n}\n"))
	if err != nil || len(c.Tenants[0].Credentials) != 1 {
		t.Fatal(c, err)
	}
	write("no.tokens", "secret")
	write("cert", "nothing")
	_, err = Load(write("bad.hcl", `tenant "a" {
  token_files = ["no.tokens"]
}
engine "e" {
  path   = "./cert/x"
  mirror = "cert"
}
listen ":1" {
  tls_cert  = "cert"
  tls_key   = "cert"
}
`))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 4 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{"no.tokens: line 1: want a SHA-256", "not a directory", "cert is not a directory", "the certificate " + filepath.Join(dir, "cert")} {
		if !strings.Contains(problems[i].Text, want) {
			t.Errorf("problem %d is %s, want %q", i, problems[i], want)
		}
	}
	for _, path := range []string{filepath.Join(dir, "none"), dir} {
		if _, err := Load(path); err == nil || errors.As(err, &problems) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add("listen \"unix:/s\" {\n  anonymous = \"default\"\n}\n")
	f.Add("tenant \"a\" {\n  token_sha256 = [\"" + secretHash + "\"]\n  limits {\n    files = 7\n  }\n}\n")
	f.Add("engine \"e\" {\n  version = \">= 1.9, < 2\"\n  env = { A = \"b\" }\n}\nlog {\n level = \"debug\"\n}")
	f.Add("admin_socket = \"s\"\njail {\n  require = [\"landlock\"]\n  expose = [\"/opt\"]\n  offline = []\n}")
	f.Add("plugin \"a\" {\n  source = \"a-1.0.0.wasm\"\n  grants {\n    env = [\"*\"]\n  }\n}\nplugin \"a\" {\n  version = \"2.0.0\"\n  source = \"https://x/\"\n}")
	f.Add("limits = {}\nlisten {\n}\ntenant \"x\" \"y\" {}")
	f.Fuzz(func(t *testing.T, source string) {
		c, problems := parse([]byte(source), "/etc/p.hcl", fakeFiles{})
		if (c == nil) != (len(problems) > 0) {
			t.Fatalf("%v and %v", c, problems)
		}
		for _, p := range problems {
			if p.File == "" || p.Line < 1 || p.Text == "" {
				t.Errorf("a problem without a place or a text: %+v", p)
			}
		}
		if c == nil {
			return
		}
		if len(c.Listeners) == 0 {
			t.Errorf("nowhere: %+v", c)
		}
		for _, l := range c.Listeners {
			if l.Anonymous != (tenant.Tenant{}) && !l.Insecure && l.TLSCert == "" && !strings.HasPrefix(l.Address, "unix:") && !strings.Contains(l.Address, "/") && l.Address != "" {
				t.Errorf("anybody can open sessions: %+v", l)
			}
		}
		_ = fmt.Sprint(c.Credentials())
	})
}

// The example is good, but for the files that it names, and shows every key that there is.
func TestExample(t *testing.T) {
	source, err := os.ReadFile(filepath.FromSlash("../../../examples/provisor.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := parse(source, "/etc/provisor/provisor.hcl", fakeFiles{}); len(problems) > 0 {
		t.Error(problems)
	}
	var check func(shape reflect.Type)
	check = func(shape reflect.Type) {
		attributes, blocks := namesOf(shape)
		if shape == reflect.TypeFor[limitsShape]() {
			return // those are listed by the command line
		}
		for _, name := range attributes {
			if name == "insecure" {
				continue // no example of a good habit
			}
			if !strings.Contains(string(source), name) {
				t.Errorf("it does not show %s", name)
			}
		}
		for name, inner := range blocks {
			if !strings.Contains(string(source), name+" ") {
				t.Errorf("it does not show the block %s", name)
			}
			check(inner)
		}
	}
	check(reflect.TypeFor[fileShape]())
}
