package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/admin/sessions"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// secretTemplate has a secret in its state, in the environment of what it runs, and fails where it is told to.
const secretTemplate = `
variable "secret" {
  type      = string
  sensitive = true
}
variable "fail" {
  type = string
}
resource "terraform_data" "x" {
  input = var.secret
  lifecycle {
    precondition {
      condition     = var.fail != "plan"
      error_message = "it is to fail"
    }
  }
  provisioner "local-exec" {
    command     = var.fail == "apply" ? "sleep 1; exit 3" : "sleep 2"
    environment = { SECRET = var.secret }
  }
}
`

// shown are the fields of Metadata that name things: recovery records and their log lines say whose state it is. All others are secret.
var shown = []protoreflect.Name{
	"coder_url", "workspace_name", "workspace_owner", "workspace_id", "workspace_owner_id", "template_name", "template_version", "template_id",
	"workspace_build_id", "template_version_id",
}

// plant puts a secret into each text of a message, whatever fields there will be.
func plant(m protoreflect.Message, secret string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		text := protoreflect.ValueOfString(secret + "-" + string(f.Name()))
		switch {
		case slices.Contains(shown, f.Name()):
			m.Set(f, protoreflect.ValueOfString("shown"))
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			e := m.Mutable(f).List().NewElement()
			plant(e.Message(), secret)
			m.Mutable(f).List().Append(e)
		case f.IsList() && f.Kind() == protoreflect.StringKind:
			m.Mutable(f).List().Append(text)
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, text)
		}
	}
}

// TestCanaries plants a canary wherever a secret may be, runs sessions of the real plugin on the real engine that succeed, fail, are canceled
// and are lost, and looks for it wherever others look.
func TestCanaries(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a real engine")
	}
	engine, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("there is no terraform on the PATH")
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	canary := "c4n4ry" + hex.EncodeToString(random) // not in what this test is itself called with
	hash := sha256.Sum256([]byte(canary + "-token"))
	got := newReceiver(t)
	collected := newCollected()
	source := fmt.Sprintf(`
listen "localhost:0" {
  tls_cert = "server.pem"
  tls_key  = "server.key"
}
engine "real" {
  path = %q
  env  = { ENGINE_SECRET = "%s-engine", TF_TOKEN_example_com = "%[2]s-registry" }
}
tenant "team-a" {
  token_sha256 = ["%[3]x"]
  env          = { TENANT_SECRET = "%[2]s-tenant" }
}
log {
  level = "debug"
}
audit {
  file = "audit.log"
}
telemetry {
  listen = "localhost:0"
  traces {
    endpoint     = %[4]q
    insecure     = true
    headers_file = "secret-headers"
  }
}
`, engine, canary, hash, got.address)
	var key string
	r := startWith(t, source, "../../../plugins/terraform", engine, func(dir string) {
		key = writeServerCertificate(t, dir)
		if err := os.WriteFile(filepath.Join(dir, "secret-headers"), []byte("authorization: Bearer "+canary+"-collector\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	watch := watchProcesses(t, canary, engine)
	dial := func(token string) *client.Client {
		c, err := client.Dial(r.Addresses()[0], client.Options{Token: token, CA: filepath.Join(r.dir, "ca.pem")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	if err := visit(t.Context(), dial(canary+"-wrong"), ""); err == nil {
		t.Error("a wrong token is let in")
	} else {
		collected.add("the error of a wrong token", err.Error())
	}
	c := dial(canary + "-token")
	var state []byte
	for _, fail := range []string{"", "plan", "apply", "cancel", "lost"} {
		state = runSecret(t, r, c, canary, fail, state, collected)
	}
	if len(state) == 0 || !bytes.Contains(state, []byte(canary)) {
		t.Fatal("the secret is not in the state: the test tests nothing")
	}
	askOperator(t, r, collected)
	r.write(t, strings.Replace(source, "level = \"debug\"", "level = \""+canary[:4]+"\"\n  nothing = \""+canary+"\"", 1))
	if err := r.Reload(t.Context()); err == nil {
		t.Error("a bad file was loaded")
	} else {
		collected.add("the error of a reload", err.Error())
	}
	path := filepath.Join(r.dir, "audit.log")
	auditLines(t, path, 5)
	eventually(t, "all sessions' spans come", func() bool { return len(got.named("session")) >= 5 })
	for name, file := range map[string]string{"the audit": path} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		collected.add(name, string(content))
	}
	records, _ := filepath.Glob(filepath.Join(r.dir, "data", "recovery", "team-a", "*", "record"))
	if len(records) == 0 {
		t.Error("the lost session's state is not kept")
	}
	for _, record := range records {
		content, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		collected.add("a recovery record", string(content))
	}
	_, metrics := r.get(t, "/metrics")
	collected.add("the metrics", metrics)
	got.mu.Lock()
	collected.add("the traces", got.text.String())
	got.mu.Unlock()
	collected.add("the log", r.log.String())
	if lines := watch(); lines == 0 {
		t.Error("no engine was seen among the processes: the test tests nothing")
	}
	for name, text := range collected.texts {
		for what, secret := range map[string]string{"canary": canary, "TLS key": key} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("the %s is in %s: ...%s...", what, name, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	for _, want := range []string{"the metrics", "the traces", "the audit", "the log", "the list of sessions"} {
		if !strings.Contains(collected.texts[want], "team-a") {
			t.Errorf("%s has nothing about the tenant: the test tests nothing", want)
		}
	}
}

// collected are the texts to look into, by what they are.
type collected struct{ texts map[string]string }

func newCollected() *collected { return &collected{make(map[string]string)} }

func (c *collected) add(name, text string) { c.texts[name] += text + "\n" }

// runSecret runs a session with secrets in all its requests. It returns the state.
func runSecret(t *testing.T, r *running, c *client.Client, canary, fail string, state []byte, collected *collected) []byte {
	t.Helper()
	s, err := c.Open(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	metadata := &pb.Metadata{}
	plant(metadata.ProtoReflect(), canary)
	metadata.WorkspaceTransition = pb.WorkspaceTransition_START
	plan := &pb.PlanRequest{
		Metadata: metadata,
		VariableValues: []*pb.VariableValue{
			{Name: "secret", Value: canary + "-variable", Sensitive: true}, {Name: "fail", Value: fail},
		},
		RichParameterValues:     []*pb.RichParameterValue{{Name: "p", Value: canary + "-parameter"}},
		PreviousParameterValues: []*pb.RichParameterValue{{Name: "p", Value: canary + "-previous"}},
		ExternalAuthProviders:   []*pb.ExternalAuthProvider{{Id: "git", AccessToken: canary + "-auth"}},
	}
	if fail == "plan" {
		plan.State = state
	}
	// provisioning is closed when the engine is in the middle of an apply.
	provisioning := make(chan struct{})
	begun := sync.OnceFunc(func() { close(provisioning) })
	do := func(request *pb.Request) *pb.Response {
		answer, err := s.Do(context.WithoutCancel(t.Context()), request, func(l *pb.Log) {
			if strings.Contains(l.Output, "Provisioning with") {
				begun()
			}
		})
		if err != nil {
			collected.add("the error of a session", err.Error())
			return nil
		}
		if text := client.ErrorOf(answer); text != "" {
			collected.add("the error of a request", text)
		}
		return answer
	}
	do(&pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.Template(map[string]string{"main.tf": secretTemplate})}}})
	do(&pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}})
	answer := do(&pb.Request{Type: &pb.Request_Plan{Plan: plan}})
	if failed := client.ErrorOf(answer) != ""; failed != (fail == "plan") {
		t.Fatalf("%q: the plan answers %q", fail, client.ErrorOf(answer))
	}
	if fail == "plan" {
		_ = s.CloseSend()
		return state
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if fail != "cancel" && fail != "lost" {
			return
		}
		select {
		case <-provisioning:
		case <-time.After(daemontest.Patience):
			t.Error("nothing is applied")
			return
		}
		list, _ := json.Marshal(r.open.List())
		collected.add("the list of sessions", string(list))
		if fail == "lost" {
			s.Close()
			return
		}
		if _, err := r.open.Cancel(r.open.List()[0].ID); err != nil {
			t.Error(err)
		}
	}()
	answer = do(&pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{Metadata: metadata}}})
	<-stopped
	if fail == "" {
		do(&pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Metadata: metadata, Source: pb.GraphSource_SOURCE_STATE}}})
		state = answer.GetApply().GetState()
	}
	if fail != "lost" {
		_ = s.CloseSend()
		_, err := s.Recv()
		collected.add("the end of a session", fmt.Sprint(err))
	}
	return state
}

// askOperator asks all that the admin socket answers.
func askOperator(t *testing.T, r *running, collected *collected) {
	t.Helper()
	socket := filepath.Join(r.dir, "admin")
	a, err := admin.Listen(socket, r.Log())
	if err != nil {
		t.Fatal(err)
	}
	plugins.Handle(a, r.Runtime().Plugins())
	sessions.Handle(a, r.open)
	admin.HandleProfiles(a)
	defer daemontest.Serve(t, a.Serve).Stop()
	h := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer h.CloseIdleConnections()
	for _, path := range []string{"/v1/sessions", "/v1/plugins", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/nothing"} {
		resp, err := h.Get("http://provisor" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		collected.add("the admin socket's answer to "+path, string(b))
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		_, body := r.get(t, path)
		collected.add(path, body)
	}
}

// watchProcesses looks at the titles and command lines of all processes until the function that it returns is called, which returns how
// often the engine was seen.
func watchProcesses(t *testing.T, canary, engine string) (seen func() int) {
	stop, engines := make(chan struct{}), 0
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, name := range []string{"cmdline", "comm"} {
				files, _ := filepath.Glob("/proc/[0-9]*/" + name)
				for _, file := range files {
					content, err := os.ReadFile(file) // it may be gone
					if err != nil {
						continue
					}
					if bytes.Contains(content, []byte(canary)) {
						t.Errorf("the canary is in %s: %q", file, content)
						return
					}
					if name == "cmdline" && bytes.HasPrefix(content, []byte(engine+"\x00apply")) {
						engines++
					}
				}
			}
		}
	})
	return func() int {
		close(stop)
		looking.Wait()
		return engines
	}
}

// writeServerCertificate writes ca.pem, server.pem and server.key for localhost, and returns a piece of the key as it is in the file.
func writeServerCertificate(t *testing.T, dir string) string {
	t.Helper()
	c, err := daemontest.NewCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")[1]
}
