package jail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// shell runs a script in a jail.
func shell(t *testing.T, j *Jail, cell Cell, script string) string {
	t.Helper()
	out, err := run(j, cell, "/bin/sh", "-c", script)
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return out
}

func newJail(t *testing.T, o Options) *Jail {
	t.Helper()
	j, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// What templates need is there, and little else.
func TestInside(t *testing.T) { asBoth(t, testInside) }

func testInside(t *testing.T) {
	j := newJail(t, Options{})
	if !j.works[Root] {
		t.Skip("no root of its own: ", j.statuses[Root].How)
	}
	own, home, hidden := t.TempDir(), t.TempDir(), t.TempDir()
	read, tool := filepath.Join(t.TempDir(), "read"), filepath.Join(t.TempDir(), "tool")
	for path, content := range map[string]string{read: "readable\n", tool: "#!/bin/sh\necho tool runs\n", filepath.Join(hidden, "x"): "hidden"} {
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cell := Cell{Execute: []string{tool}, Read: []string{read}, Write: []string{own, home}, Tmp: home}
	tests := []struct{ name, script, want string }{
		{"the usual tools", `ls / >/dev/null && git --version >/dev/null && sed --version >/dev/null && tar --version >/dev/null && echo yes`, "yes\n"},
		{"a file to read", "cat " + read, "readable\n"},
		{"a file to read is not to be written", "echo x 2>/dev/null >" + read + " || echo no", "no\n"},
		{"a program", tool, "tool runs\n"},
		{"its own directory", `printf '#!/bin/sh\necho made\n' >a && chmod +x a && mkdir d && mv a d/b && ./d/b && ln -s d/b c && ./c && rm -r c d`, "made\nmade\n"},
		{"moves between its directories", "echo moved >m && mv m " + home + "/m && cat " + home + "/m && rm " + home + "/m", "moved\n"},
		{"temporary files", "echo temporary >/tmp/t && cat /tmp/t && rm /tmp/t", "temporary\n"},
		{"shared memory", "echo shared >/dev/shm/s && cat /dev/shm/s && rm /dev/shm/s", "shared\n"},
		{"devices", "head -c 3 /dev/zero | wc -c; echo x >/dev/null; head -c 3 /dev/urandom | wc -c; echo through >/dev/stdout", "3\n3\nthrough\n"},
		{"users have names", "id -un", id(t) + "\n"},
		{"the root directory", "ls -A / | grep -v -e '^lib' -e '^sbin$' | tr '\\n' ' '", ""},
		{"the root directory is read-only", "touch /x 2>/dev/null || mkdir /usr/x 2>/dev/null || touch /etc/x 2>/dev/null || echo no", "no\n"},
		{"nothing of the kernel is to be set", "echo 1 2>/dev/null >/proc/sys/vm/drop_caches || echo no", "no\n"},
		{"nothing of /etc but what is meant to be there", "cat /etc/shadow 2>/dev/null || cat /etc/machine-id 2>/dev/null || ls /etc/ssh 2>/dev/null || echo no", "no\n"},
		{"nothing beside its directories", "ls " + hidden + " 2>/dev/null; ls $(dirname " + own + ") | grep -c .", "4\n"}, // those of the cell
		{"few processes", "ls /proc | grep -c '^[0-9]'", ""},
		{"no terminal", "echo x 2>/dev/null >/dev/tty || echo no", "no\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := shell(t, j, cell, test.script)
			if test.want != "" && got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			t.Log(strings.TrimSpace(got))
		})
	}
	if got := shell(t, j, cell, "ls -A /etc"); strings.Contains(got, "shadow") || !strings.Contains(got, "passwd") {
		t.Errorf("/etc has %q", got)
	}
}

func id(t *testing.T) string {
	t.Helper()
	if os.Getuid() == 0 {
		return "root"
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == "65534" && os.Getuid() == nobody {
			return f[0]
		}
	}
	t.Skip("this user has no name")
	return ""
}

// A directory below the system's temporary directory can be a program's own: others in there stay out of sight.
func TestOwnDirectoryInTmp(t *testing.T) {
	j := newJail(t, Options{})
	dir, err := os.MkdirTemp("/tmp", "own")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cell := Cell{Write: []string{dir}, Tmp: dir}
	if got := shell(t, j, cell, "ls -A /tmp; echo x >/tmp/x && cat /tmp/x; ls -A "+dir); j.works[Root] && got != filepath.Base(dir)+"\nx\n" {
		t.Errorf("got %q", got)
	}
}

// A required layer that can't be had keeps the daemon from starting, which says why and what to do.
func TestRequire(t *testing.T) {
	_, err := New(Options{Require: []Layer{Seccomp, Root, IPC}, NoNamespaces: true})
	if err == nil {
		t.Fatal("there is a jail without what it requires")
	}
	for _, want := range []string{"layer root is required, but missing: namespaces are switched off; to get it: allow namespaces again", "layer ipc is required"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "seccomp is") {
		t.Errorf("got %v", err)
	}
	for _, o := range []Options{{Require: []Layer{"moat"}}, {Disable: []Layer{"moat"}}, {Require: []Layer{Root}, Disable: []Layer{Root}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// A jail made of another has what that has, but for what it leaves out.
func TestWith(t *testing.T) {
	all := newJail(t, Options{Require: []Layer{NoNewPrivileges}})
	with, err := all.With([]Layer{Seccomp}, []Layer{Landlock})
	if err != nil {
		t.Skip("there is no seccomp here: ", err)
	}
	o := newOutside(t)
	refused := o.try(t, with)
	for _, s := range with.Report() {
		before := all.statuses[s.Layer]
		before.Layer = s.Layer
		if s.Layer == Landlock && s.State != Disabled || s.Layer != Landlock && s != before {
			t.Errorf("got %+v, before it was %+v", s, before)
		}
	}
	if !slices.Contains(refused, "ptrace") || all.on(Landlock) && !slices.Contains(o.try(t, all), "abstract-socket") || slices.Contains(refused, "abstract-socket") {
		t.Errorf("refused is %v", refused)
	}
	for want, layers := range map[string][2][]Layer{
		`no layer "moat"`: {{"moat"}, nil},
		"layer no-new-privs is both required and disabled": {nil, {NoNewPrivileges}},
		"layer ipc is both": {{IPC}, {IPC}},
	} {
		if _, err := all.With(layers[0], layers[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	without := newJail(t, Options{NoNamespaces: true})
	if _, err := without.With([]Layer{IPC}, nil); err == nil || !strings.Contains(err.Error(), "layer ipc is required, but missing") {
		t.Errorf("got %v", err)
	}
}

// A program of another architecture could call the kernel past the filter's list.
func TestForeignArchitecture(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs a machine with two kinds of programs")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, elf32(), 0o755); err != nil {
		t.Fatal(err)
	}
	cell := Cell{Write: []string{dir}}
	if _, err := run(only(t, Options{}, NoNewPrivileges), cell, program); err == nil || err.Error() != "status 0x2a00" {
		t.Skipf("programs for i386 do not run here: %v", err)
	}
	if _, err := run(only(t, Options{}, Seccomp), cell, program); err == nil || err.Error() != "status 0x1f" { // SIGSYS
		t.Errorf("got %v", err)
	}
}

// elf32 is a program for i386 that exits with 42.
func elf32() []byte {
	code := []byte{0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80} // mov eax, 1; mov ebx, 42; int 0x80
	const base, header = 0x08048000, 52 + 32
	var b bytes.Buffer
	b.WriteString("\x7fELF\x01\x01\x01" + strings.Repeat("\x00", 9))
	for _, field := range []any{
		uint16(2), uint16(3), uint32(1), uint32(base + header), uint32(52), uint32(0), uint32(0), uint16(52), uint16(32), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(0), uint32(base), uint32(base), uint32(header + len(code)), uint32(header + len(code)), uint32(5), uint32(0x1000),
	} {
		_ = binary.Write(&b, binary.LittleEndian, field)
	}
	return append(b.Bytes(), code...)
}

// What can't be executed is told with the system's reason.
func TestProgramIsMissing(t *testing.T) {
	j := newJail(t, Options{})
	dir := t.TempDir()
	_, err := run(j, Cell{Write: []string{dir}}, filepath.Join(dir, "none"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), dir+"/none") {
		t.Errorf("got %v", err)
	}
	var failure *supervisor.Failure
	if !errors.As(err, &failure) || failure.Layer != "" {
		t.Errorf("got %#v", err)
	}
}
