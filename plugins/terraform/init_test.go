//go:build !wasip1

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

func TestInitExtracts(t *testing.T) {
	s, _ := withFake(t, terraform, "1.11.4")
	s.WriteFile("left/by/a/failed/init.tf", "x")
	must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", "", "./a/../bin/run.sh", "#!/bin/sh\n")}))
	if exists(s, "left") || !exists(s, "main.tf") {
		t.Error("the work directory is not what the archive has")
	}
	info, err := os.Stat(filepath.Join(s.WorkDir(), "bin/run.sh"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the script: %v, %v", info, err)
	}
}

func TestInitRefusesArchives(t *testing.T) {
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"outside": {archive(t, "../x", ""), `refusing to extract to non-local path "../x"`},
		"no tar":  {[]byte(strings.Repeat("x", 2000)), "not an uncompressed tar archive"},
		"cut":     {archive(t, "main.tf", strings.Repeat("x", 3000))[:2000], "the archive is cut"},
	} {
		s, f := withFake(t, terraform, "1.11.4")
		init := s.Init(&pb.InitRequest{TemplateSourceArchive: c.archive})
		if err := init.GetError(); !strings.HasPrefix(err, "extract template archive: ") || !strings.Contains(err, c.want) {
			t.Errorf("%s: %q", name, err)
		}
		wantStage(t, init.GetTimings(), "init", pb.TimingState_FAILED)
		if len(f.args) > 0 {
			t.Errorf("%s: the engine was run: %q", name, f.args)
		}
	}
}

func TestInitLeavesOut(t *testing.T) {
	s, _ := withFake(t, terraform, "1.11.4")
	must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t,
		"main.tf", "", "terraform.tfstate", "{}", "terraform.tfstate.backup", "{}", "errored.tfstate", "{}", "my.tfplan", "",
		".terraform/modules/modules.json", "{}", ".terraform/terraform.tfstate", "{}", "m/.terraform/x", "", "m/main.tf", "",
	)}))
	for name, want := range map[string]bool{
		"main.tf": true, "m/main.tf": true, "terraform.tfstate": false, "terraform.tfstate.backup": false,
		"errored.tfstate": false, "my.tfplan": false, ".terraform": false, "m/.terraform": false,
	} {
		if exists(s, name) != want {
			t.Errorf("%s is there: %v", name, !want)
		}
		if !want && strings.Count(s.LogText(), fmt.Sprintf("WARN: The template archive's entry %q is left out: ", name)) != 1 {
			t.Errorf("no warning, or several, about %s:\n%s", name, s.LogText())
		}
	}
}

func TestInitFails(t *testing.T) {
	s, f := withFake(t, terraform, "1.11.4")
	f.on("init", `{"@level":"info","@message":"Initializing the backend...","message_code":"initializing_backend_message"}
{"@level":"error","@message":"Error: no such module"}
`, "on standard error\n", 1)
	init := s.Init(&pb.InitRequest{})
	wantError(t, init, "initialize terraform: exit status 1")
	wantStage(t, init.GetTimings(), "init", pb.TimingState_FAILED)
	wantLog(t, s, "ERROR: Error: no such module")
	wantLog(t, s, "ERROR: on standard error")
	if len(init.GetModules())+len(init.GetModuleFiles()) > 0 || len(init.GetTimings()) != 1 {
		t.Errorf("the answer: %v", init)
	}
	delete(f.commands, "init")
	must(t, s, s.Init(&pb.InitRequest{}))
}

func TestInitWithoutEngine(t *testing.T) {
	s := guesttest.New(t)
	init := s.Init(&pb.InitRequest{})
	if !strings.HasPrefix(init.GetError(), "initialize terraform: ") || !strings.Contains(init.GetError(), "terraform\" is not granted") {
		t.Error(init.GetError())
	}
}

func TestInitBackends(t *testing.T) {
	s, f := withFake(t, terraform, "1.11.4")
	template := archive(t, "main.tf", "terraform {\n  backend \"s3\" {}\n}\n")
	must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: template}))
	if !strings.Contains(s.LogText(), `WARN: main.tf:2: the backend "s3" is not used`) || !exists(s, "provisor_override.tf") {
		t.Errorf("the backend is not overridden:\n%s", s.LogText())
	}
	f.args = nil
	init := s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", "terraform {\n  cloud {}\n}\n")})
	if !strings.HasPrefix(init.GetError(), `initialize terraform: main.tf:2: the template has a "cloud" block`) || len(f.args) > 0 {
		t.Errorf("a cloud block: %q, ran %q", init.GetError(), f.args)
	}
}

func TestInitModules(t *testing.T) {
	s, f := withFake(t, terraform, "1.11.4")
	f.commands["init"] = func(*guesttest.Run) int {
		s.WriteFile(".terraform/modules/modules.json", `{"Modules":[{"Key":"","Source":"","Dir":"."},
			{"Key":"m","Source":"registry.example/m","Version":"1.2.3","Dir":".terraform/modules/m"}]}`)
		s.WriteFile(".terraform/modules/m/main.tf", "x")
		return 0
	}
	init := s.Init(&pb.InitRequest{})
	must(t, s, init)
	if len(init.GetModules()) != 1 || init.GetModules()[0].GetVersion() != "1.2.3" || len(init.GetModuleFiles()) == 0 {
		t.Errorf("modules: %v and %d bytes", init.GetModules(), len(init.GetModuleFiles()))
	}
	init = s.Init(&pb.InitRequest{OmitModuleFiles: true})
	if len(init.GetModules()) != 1 || len(init.GetModuleFiles()) > 0 {
		t.Errorf("modules: %v and %d bytes", init.GetModules(), len(init.GetModuleFiles()))
	}
}

func TestInitLockFile(t *testing.T) {
	for _, c := range []struct {
		name, brought, after string
		warn                 bool
	}{
		{"none before", "", "new", false},
		{"the same", "old", "old", false},
		{"changed", "old", "new", true},
		{"removed", "old", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := withFake(t, terraform, "1.11.4")
			f.commands["init"] = func(run *guesttest.Run) int {
				_ = os.Remove(filepath.Join(run.Dir, lockFile))
				if c.after != "" {
					s.WriteFile(lockFile, c.after)
				}
				return 0
			}
			files := []string{"main.tf", ""}
			if c.brought != "" {
				files = append(files, lockFile, c.brought)
			}
			must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, files...)}))
			if got := strings.Contains(s.LogText(), "terraform providers lock -platform=linux_amd64"); got != c.warn {
				t.Errorf("warned: %v\n%s", got, s.LogText())
			}
		})
	}
}

func TestInitIsReused(t *testing.T) {
	cache := t.TempDir()
	reused := func(c *pb.Config, template []byte) bool {
		s, f := withFake(t, terraform, "1.11.4")
		info := infoFor(terraform, "1.11.4")
		info.Config = c
		s.SetInfo(info)
		s.UseCacheDir(cache)
		ran := false
		f.commands["init"] = func(*guesttest.Run) int {
			ran = true
			s.WriteFile(".terraform/providers/p", "x")
			s.WriteFile(lockFile, "locked")
			return 0
		}
		must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: template}))
		if !exists(s, ".terraform/providers/p") || !exists(s, lockFile) {
			t.Error("what init makes is not there")
		}
		return !ran
	}
	config := func(reuse bool, template, version string) *pb.Config {
		return &pb.Config{ExpReuseTerraformWorkspace: &reuse, TemplateId: &template, TemplateVersionId: &version}
	}
	first, second := archive(t, "main.tf", "# 1"), archive(t, "main.tf", "# 2")
	for _, c := range []struct {
		name    string
		config  *pb.Config
		archive []byte
		want    bool
	}{
		{"the first", config(true, "t", "v"), first, false},
		{"the same", config(true, "t", "v"), first, true},
		{"another archive", config(true, "t", "v"), second, false},
		{"another version", config(true, "t", "w"), first, false},
		{"another template", config(true, "u", "v"), first, false},
		{"the same once more", config(true, "t", "v"), second, true},
		{"ids that look like another's", config(true, `t" "v`, ""), first, false},
		{"not asked for", config(false, "t", "v"), first, false},
		{"without a version", config(true, "t", ""), first, false},
		{"without a version, again", config(true, "t", ""), first, false},
		{"without a template", config(true, "", "v"), first, false},
		{"without a template, again", config(true, "", "v"), first, false},
	} {
		if got := reused(c.config, c.archive); got != c.want {
			t.Errorf("%s: reused: %v, want %v", c.name, got, c.want)
		}
	}
}

// Where init had nothing to make, it need not run again; where it made something that is not in its place, it must.
func TestInitOfNothingIsReused(t *testing.T) {
	cache := t.TempDir()
	for _, c := range []struct {
		name, template string
		want           int
	}{
		{"no provider", `resource "terraform_data" "a" {}`, 1},
		{"a module, kept elsewhere", `module "m" { source = "./m" }`, 2},
	} {
		ran := 0
		for range 2 {
			s, f := withFake(t, terraform, "1.11.4")
			info := infoFor(terraform, "1.11.4")
			yes, id := true, c.name
			info.Config = &pb.Config{ExpReuseTerraformWorkspace: &yes, TemplateId: &id, TemplateVersionId: &id}
			s.SetInfo(info)
			s.UseCacheDir(cache)
			f.commands["init"] = func(*guesttest.Run) int { ran++; return 0 }
			must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", c.template)}))
		}
		if ran != c.want {
			t.Errorf("%s: init ran %d times, want %d", c.name, ran, c.want)
		}
	}
}

func TestInitWithoutACache(t *testing.T) {
	s, _ := withFake(t, terraform, "1.11.4")
	info := infoFor(terraform, "1.11.4")
	yes, id := true, "x"
	info.Config = &pb.Config{ExpReuseTerraformWorkspace: &yes, TemplateId: &id, TemplateVersionId: &id}
	s.SetInfo(info)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.UseCacheDir(file) // nothing can be kept below a file
	must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, lockFile, "x")}))
}

func TestInitTimings(t *testing.T) {
	s, f := withFake(t, terraform, "1.11.4")
	f.on("init", `{"@level":"info","@message":"a","message_code":"initializing_modules_message"}
{"@level":"info","@message":"b","message_code":"initializing_provider_plugin_message"}
{"@level":"info","@message":"c","message_code":"output_init_success_message"}
`, "", 0)
	init := s.Init(&pb.InitRequest{})
	must(t, s, init)
	wantStage(t, init.GetTimings(), "init", pb.TimingState_COMPLETED)
	var got []string
	for _, timing := range init.GetTimings() {
		got = append(got, timing.GetAction()+" "+timing.GetResource())
	}
	if diff := cmp.Diff([]string{"terraform coder_stage_init", "load modules", "load provider plugins"}, got); diff != "" {
		t.Errorf("timings (-want +got):\n%s", diff)
	}
}

// wantStage looks for the stage's own timing.
func wantStage(t *testing.T, timings []*pb.Timing, stage string, state pb.TimingState) {
	t.Helper()
	for _, timing := range timings {
		if timing.GetResource() == "coder_stage_"+stage {
			if timing.GetState() != state || timing.GetStage() != stage {
				t.Errorf("the stage's timing: %v", timing)
			}
			return
		}
	}
	t.Errorf("the stage has no timing: %v", timings)
}
