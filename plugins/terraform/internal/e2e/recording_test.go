package e2e

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// recording is a session, and what came in it.
type recording struct {
	*testing.T
	daemon  *daemon
	session *client.Session
	// logs are all log lines, responses is everything else, as it came. withLogs has the logs among the responses too.
	logs      []string
	responses []*pb.Response
	withLogs  bool
	// paths are paths of this run that answers may have, each followed by what replaces it.
	paths []string
	// onLog sees each log line as it comes; may be nil.
	onLog func(line string)
}

func record(t *testing.T, d *daemon) *recording {
	t.Helper()
	return &recording{T: t, daemon: d, session: d.open(t, &pb.Config{})}
}

// do sends the request and waits for its Complete. An upload is put into it; the responses have it as it came.
func (r *recording) do(req *pb.Request) *pb.Response {
	r.Helper()
	if err := r.session.Send(req); err != nil {
		r.Fatal(err)
	}
	var upload client.Upload
	for {
		resp, err := r.session.Recv()
		if err != nil {
			r.Fatalf("%T: %v", req.GetType(), err)
		}
		switch resp.GetType().(type) {
		case *pb.Response_Log:
			r.log(resp)
		case *pb.Response_DataUpload, *pb.Response_ChunkPiece:
			r.responses = append(r.responses, proto.CloneOf(resp))
			if err := upload.Add(resp); err != nil {
				r.Fatal(err)
			}
		default:
			r.responses = append(r.responses, proto.CloneOf(resp))
			if err := upload.Fill(resp); err != nil {
				r.Fatal(err)
			}
			return resp
		}
	}
}

func (r *recording) log(resp *pb.Response) {
	if r.withLogs {
		r.responses = append(r.responses, resp)
	}
	line := resp.GetLog().GetLevel().String() + " " + resp.GetLog().GetOutput()
	r.logs = append(r.logs, line)
	if len(line) < 1000 {
		r.Log(line)
	}
	if r.onLog != nil {
		r.onLog(line)
	}
}

// succeed is do for a request that must not fail.
func (r *recording) succeed(req *pb.Request) *pb.Response {
	r.Helper()
	resp := r.do(req)
	if text := client.ErrorOf(resp); text != "" {
		r.Fatalf("%T: %s", resp.GetType(), text)
	}
	return resp
}

func (r *recording) parse() *pb.ParseComplete {
	r.Helper()
	return r.succeed(&pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}).GetParse()
}

func (r *recording) init(archive []byte) *pb.InitComplete {
	r.Helper()
	return r.succeed(initRequestOf(archive)).GetInit()
}

func (r *recording) plan(p *pb.PlanRequest) *pb.PlanComplete {
	r.Helper()
	return r.succeed(planRequest(p)).GetPlan()
}

func (r *recording) apply(a *pb.ApplyRequest) *pb.ApplyComplete {
	r.Helper()
	return r.succeed(applyRequest(a)).GetApply()
}

func (r *recording) graph(source pb.GraphSource) *pb.GraphComplete {
	r.Helper()
	return r.succeed(graphRequest(source)).GetGraph()
}

// hasLog checks that there was such a line.
func (r *recording) hasLog(line string) {
	r.Helper()
	for _, l := range r.logs {
		if l == line {
			return
		}
	}
	r.Errorf("there was no log line %q in\n%s", line, strings.Join(r.logs, "\n"))
}

// pack packs the template of that name.
func pack(t testing.TB, name string) []byte {
	t.Helper()
	archive, err := template.Pack(filepath.Join("testdata", "templates", name), template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// archive packs files, in the order name, content, name, content; after the header that lets a template use both providers.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	return bareArchive(t, append([]string{"providers.tf", providers}, files...)...)
}

// bareArchive is archive without that header.
func bareArchive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o755, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const providers = `terraform {
  required_providers {
    coder   = { source = "coder/coder" }
    fixture = { source = "provisor/fixture" }
  }
}
`

// file is the content of a file in testdata.
func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
