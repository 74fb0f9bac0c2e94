package modules

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// What the real engines install is what is listed and packed: a module that they unpack, one within it, one that lies
// within the template, and one directory of a bigger archive.
func TestEngines(t *testing.T) {
	for _, engine := range []string{"terraform", "tofu"} {
		path, err := exec.LookPath(engine)
		if err != nil {
			t.Logf("%s is not on the PATH: not tested", engine)
			continue
		}
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			checkEngine(t, path)
		})
	}
}

func checkEngine(t *testing.T, engine string) {
	packed := filepath.Join(t.TempDir(), "module.zip")
	writeZip(t, packed, map[string]string{
		"main.tf": "module \"inner\" {\n  source = \"./inner\"\n}\n", "inner/main.tf": "locals {}\n", "run.sh": "#!/bin/sh\n",
	})
	work := tree{
		"main.tf": "module \"whole\" {\n  source = \"" + packed + "\"\n}\n" +
			"module \"part\" {\n  source = \"" + packed + "//inner\"\n}\n" +
			"module \"local\" {\n  source = \"./local\"\n}\n",
		"local/main.tf": "locals {}\n",
	}.write(t)
	command := exec.CommandContext(t.Context(), engine, "init", "-no-color", "-input=false")
	command.Dir = work
	command.Env = []string{"HOME=" + work, "PATH=" + os.Getenv("PATH"), "CHECKPOINT_DISABLE=1"}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, output)
	}
	wantList := []*pb.Module{
		{Key: "local", Source: "./local", Dir: "local"},
		{Key: "part", Source: "file://" + packed + "//inner", Dir: ".terraform/modules/part/inner"},
		{Key: "whole", Source: "file://" + packed, Dir: ".terraform/modules/whole"},
		{Key: "whole.inner", Source: "./inner", Dir: ".terraform/modules/whole/inner"},
	}
	if diff := cmp.Diff(wantList, List(work), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	archive, err := Archive(work, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantFiles := []string{
		"5 755 .terraform/modules/part/inner/ ",
		"0 644 .terraform/modules/part/inner/main.tf locals {}\n",
		"5 755 .terraform/modules/whole/inner/ ",
		"0 644 .terraform/modules/whole/inner/main.tf locals {}\n",
		"5 755 .terraform/modules/whole/ ",
		"0 644 .terraform/modules/whole/main.tf 40 bytes",
		"0 755 .terraform/modules/whole/run.sh #!/bin/sh\n",
		"0 644 .terraform/modules/modules.json MANIFEST",
	}
	if diff := cmp.Diff(wantFiles, listing(t, archive)); diff != "" {
		t.Error(diff)
	}
}

// writeZip writes a zip of files by name, all of which can be run if they are scripts.
func writeZip(t *testing.T, name string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for file, content := range files {
		header := &zip.FileHeader{Name: file, Method: zip.Deflate}
		header.SetMode(0o644)
		if filepath.Ext(file) == ".sh" {
			header.SetMode(0o755)
		}
		entry, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
