package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const (
	byTheRoot   = "`root`, `landlock`: of the machine's files there are the system's programs and libraries, the providers, and the session's own"
	byOwnRoot   = "`root`: what is not there can't be looked at or changed. Landlock alone does not keep these off"
	bySignal    = "`process-tree`: other processes are not there; `landlock`: signals stay inside"
	byReadOnly  = "`root`, `landlock`: providers are shown to be read and executed"
	byPlugin    = "The plugin takes nothing but a regular file for a state, and reads through directories that it can't leave"
	bySupervise = "`process-tree`: the tree is gone before the answer is sent. Without a pid namespace, a subreaper finds what was left"
)

// templates are the attacks by templates, in the order of the table.
func templates() []templateAttack {
	return []templateAttack{
		{name: "all environments", tries: "Prints its environment, and that of each process that it sees", contains: "It is built from nothing; `process-tree`, `landlock`: other processes are not there, or can't be looked into",
			script: `env; set; for p in /proc/[0-9]*; do tr '\0' '\n' <$p/environ; done 2>/dev/null
try environment sh -c "tr '\0' '\n' <\"/proc/$DAEMON/environ\" | grep ATTACK"`},
		{name: "the daemon's process", tries: "Reads `environ`, `mem`, `maps`, `cwd`, `root` and `exe` of the daemon in `/proc`", contains: "`process-tree`: it is not there; `landlock`: a process outside can't be looked into",
			needs: needsSignals, script: `for f in environ maps auxv; do try $f cat /proc/$DAEMON/$f; done
try mem dd if=/proc/$DAEMON/mem bs=1 count=1
for f in cwd root exe; do try $f readlink /proc/$DAEMON/$f; done
try "root's files" ls /proc/$DAEMON/root/
try "root's secret" cat /proc/$DAEMON/root$OUTSIDE/secret`},
		{name: "what the daemon was called with", tries: "Reads `cmdline`, `status`, `stat` and `mountinfo` of the daemon, and which files it has open, which its own user may", contains: "`process-tree`: it is not there",
			needs: needsTree, script: `for f in cmdline status mountinfo stat; do try $f cat /proc/$DAEMON/$f; done
try fd ls /proc/$DAEMON/fd/`},
		{name: "the host's own files", tries: "Reads `/etc/shadow`, keys below `/etc`, and the daemon's configuration, log and audit, by their paths and by links to them", contains: byTheRoot,
			needs: needsFiles, script: `for f in /etc/shadow /etc/gshadow /etc/sudoers /etc/ssh/ssh_host_ed25519_key /etc/machine-id $CONFIG $LOG $AUDIT $OUTSIDE/secret; do
	try $f cat $f
	ln -s $f link-$$; try "a link to $f" cat link-$$; rm link-$$
	try "/proc/self/root$f" cat /proc/self/root$f
done`},
		{name: "somebody's home", tries: "Reads `.aws/credentials` and `.ssh` in the home of the daemon's user, and lists it, root's and everybody's", contains: byTheRoot,
			needs: needsFiles, script: `try credentials cat $HOST_HOME/.aws/credentials
try key cat $HOST_HOME/.ssh/id_ed25519
for d in $HOST_HOME /root /home /srv /mnt /media; do try $d ls $d/; done`},
		{name: "another session's directory", tries: "Lists, reads and writes the directories of two sessions that are open: its own tenant's, and another's", contains: byTheRoot,
			needs: needsFiles, script: `for d in $VICTIM $SIBLING; do
	try "list $d" ls $d
	try "read $d" cat $d/victims-secret.txt
	try "write $d" touch $d/new
	try "program in $d" cp /bin/true $d/terraform
done
redirect "cat $DATA/sessions/*/*/work/victims-secret.txt"
redirect "cat ../../*/work/victims-secret.txt"
redirect "ls $DATA/sessions $DATA/sessions/attacker | grep -e victim -e $(basename $(dirname $SIBLING))"`},
		{name: "what others have kept", tries: "Lists and reads the states that are kept of another tenant, and its caches; takes one away", contains: byTheRoot,
			needs: needsFiles, script: `for d in $DATA/recovery $DATA/recovery/victim $DATA/plugins $CACHE/tenants/victim; do try "list $d" ls $d/; done
redirect "cat $DATA/recovery/victim/*/*"
redirect "find $CACHE/tenants/victim -type f | grep ."
redirect "rm -r $DATA/recovery/victim"`},
		{name: "files outside", tries: "Writes, truncates, renames, removes and links files of the daemon's own user; makes files, directories and devices beside them", contains: byTheRoot,
			needs: needsFiles, script: `redirect "echo spoiled >$OUTSIDE/secret"
redirect "echo spoiled >>$OUTSIDE/secret"
redirect ": >$OUTSIDE/secret"
try new touch $OUTSIDE/new
try mkdir mkdir $OUTSIDE/dir
try link ln $OUTSIDE/secret hard-link
try "link to" ln main.tf $OUTSIDE/hard-link
try rename mv $OUTSIDE/secret $OUTSIDE/other
try "rename to" mv -f prelude.txt $OUTSIDE/secret
try remove rm $OUTSIDE/secret
try device mknod $OUTSIDE/device c 1 5
redirect "mkfifo $OUTSIDE/fifo"`},
		{name: "names and times of files outside", tries: "`chmod`, `chown`, `touch` and `stat` on files and directories of the daemon's own user", contains: byOwnRoot,
			needs: needsRoot, script: `for f in $OUTSIDE/secret $OUTSIDE $CONFIG $HOST_HOME; do
	try "stat $f" stat $f
	try "chmod $f" chmod 777 $f
	try "chown $f" chown 12345 $f
	try "touch $f" touch -d 1999-01-01 $f
done`},
		{name: "the mirror of providers", tries: "Appends to, replaces, removes and renames a provider that others will run; makes a newer version", contains: byReadOnly,
			needs: needsFiles, script: `dir=$MIRROR/registry.example.com/acme/fixture; old=$dir/1.0.0/$PLATFORM
for binary in $old/` + fixtureBinary + ` .terraform/providers/registry.example.com/acme/fixture/1.0.0/$PLATFORM/` + fixtureBinary + `; do
	redirect "echo spoiled >>$binary"
	redirect "cp /bin/true $binary"
	try "rename $binary" mv $binary $binary.old
	try "link over $binary" ln -f main.tf $binary
	try "remove $binary" rm $binary
done
try version mkdir $dir/9.9.9
try "another provider" mkdir $MIRROR/registry.terraform.io
redirect "echo x >$MIRROR/ca.pem"`},
		{name: "the cache of providers", tries: "The same in its tenant's cache, which later sessions run from", contains: byReadOnly,
			needs: needsFiles, script: `link=$(echo .terraform/providers/localhost*/acme/fixture/1.0.0/$PLATFORM); dir=$(readlink -f $link); binary=$dir/` + fixtureBinary + `
case $dir in $CACHE/tenants/attacker/*) ;; *) echo ATTACK $attack GOT no provider from the cache, but $dir;; esac
redirect "echo spoiled >>$binary"
redirect "cp /bin/true $binary"
try remove rm $binary
try rename mv $dir $dir.old
try version mkdir $(dirname $(dirname $dir))/9.9.9
try new touch $CACHE/tenants/attacker/new
try "another's" touch $CACHE/tenants/victim/new`},
		{name: "rights of providers", tries: "`chmod` and `touch` on a provider in the mirror and in the cache, where the daemon's own user is the owner", contains: byOwnRoot + ", and shows providers read-only",
			needs: needsRoot, script: `for f in $MIRROR/registry.example.com/acme/fixture/1.0.0/$PLATFORM/` + fixtureBinary + ` $(readlink -f .terraform/providers/localhost*/acme/fixture/1.0.0/$PLATFORM)/` + fixtureBinary + `; do
	try "chmod $f" chmod 777 $f
	try "touch $f" touch -d 1999-01-01 $f
done`},
		{name: "code of the daemon's", tries: "Writes into the directories of compiled and of installed plugins, whose code the daemon executes", contains: byTheRoot,
			needs: needsFiles, script: `for d in $CACHE/compiled $CACHE/compiled/modules $CACHE/plugins $DATA/plugins $DATA/plugins/modules; do
	try "list $d" ls $d/
	try "write $d" touch $d/new
	redirect "for f in $d/*; do echo spoiled >>\$f || exit 1; done"
done`},
		{name: "signals to the daemon", tries: "Sends the daemon 0, HUP, INT, TERM, STOP and KILL", contains: bySignal,
			needs: needsSignals, script: `for s in 0 HUP INT TERM STOP KILL; do redirect "kill -$s $DAEMON"; done`},
		{name: "the daemon's sockets", tries: "Connects to the sockets for sessions and for operators", contains: byOwnRoot,
			needs: needsRoot, script: `for s in $SOCKET $ADMIN; do
	try "perl $s" perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\n"' $s
	try "curl $s" curl -sS --max-time 5 --unix-socket $s http://provisor/plugins
done`},
		{name: "abstract sockets", tries: "Connects to a socket that has no path", contains: "`landlock`: what is outside can't be reached",
			needs: needsLandlock, script: `try abstract perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => "\0$ARGV[0]") or die "$!\n"' $ABSTRACT`},
		{name: "a process that stays, by setsid", tries: "Starts a process in a session of its own, deaf to signals, with its streams closed", contains: bySupervise,
			script: stray(`setsid sh -c "trap '' INT TERM HUP QUIT; sleep $MARK" </dev/null >/dev/null 2>&1 &`), run: nothingLeft},
		{name: "a process that stays, forked twice", tries: "Forks twice, each time with a new session, so that nobody is left who knows it", contains: bySupervise,
			script: stray(`(setsid sh -c "(setsid sh -c \"trap '' INT TERM HUP QUIT; sleep $MARK\" &) &" </dev/null >/dev/null 2>&1 &)`), run: nothingLeft},
		{name: "a process that is never the same", tries: "A process that starts its successor and ends, a hundred times a second", contains: bySupervise,
			script: stray(`echo 'sleep 0.01; exec setsid sh hop.sh '$MARK' </dev/null >/dev/null 2>&1 & exit' >hop.sh; setsid sh hop.sh $MARK </dev/null >/dev/null 2>&1 &`), run: nothingLeft},
		{name: "every process that it sees", tries: "Kills all processes but itself", contains: bySignal + ". The engine is killed as well: its state is in the answer",
			needs: needsTree, run: killAll},
		{name: "its supervisor", tries: "Kills, stops and interrupts the process that watches over it", contains: "`process-tree`: the first process of a pid namespace gets no signal that it does not want; `landlock`: signals stay inside",
			needs: needsSignals, run: killSupervisor, everywhere: true},
		{name: "a supervisor that is killed", tries: "What the system may do when memory is short: kills the supervisor from outside, while a template's strays are deaf to signals", contains: "`process-tree`, `cgroup`: all processes go with it, and the newest state is in the answer or kept",
			needs: []string{"process-tree", "cgroup"}, run: loseSupervisor, everywhere: true},
		{name: "a state that is a link", tries: "Has `terraform.tfstate` and `errored.tfstate` lead to a state and a text outside, and to a file in the session", contains: byPlugin,
			run: states("rm -f $f; ln -s $OUTSIDE/secret.json $f", "rm -f $f; ln -s $OUTSIDE/secret $f", "rm -f $f; cp main.tf copy; ln -s copy $f")},
		{name: "a state that is a pipe", tries: "Makes them FIFOs that nobody writes to", contains: byPlugin, run: states("rm -f $f; mkfifo $f")},
		{name: "a state that is a device", tries: "Has them lead to `/dev/zero`, and makes them devices", contains: byPlugin + ". Devices can't be made",
			run: states("rm -f $f; ln -s /dev/zero $f", "rm -f $f; mknod $f c 1 5 || ln -s /dev/full $f")},
		{name: "a state that is a directory", tries: "Makes them directories, full and without permissions", contains: byPlugin, run: states("rm -f $f; mkdir $f; touch $f/a; chmod 0 $f")},
		{name: "a state that is a hole", tries: "Makes them 200 MiB of zeros that take no room", contains: "What is not whole is no state", run: states("rm -f $f; truncate -s 200M $f")},
		{name: "links for the plugin", tries: "Replaces the template's files, the plan, the state and what init made by links to secrets, before the plugin reads them", contains: byPlugin,
			run: plantLinks},
		{name: "functions that read", tries: "`file`, `filebase64`, `fileset`, `templatefile`, `filesha256` and `fileexists` on secrets, by their paths, by `~` and by `..`", contains: byTheRoot,
			needs: needsFiles, run: readByFunctions, everywhere: true},
		{name: "modules from outside", tries: "Modules whose source leads up by `..`, is an absolute path, a `file::` address or a repository on the machine", contains: byTheRoot,
			needs: needsFiles, run: modulesFromOutside, everywhere: true},
		{name: "a flood from a template", tries: "Prints 16 MiB in lines of 100 bytes", contains: "`log_bytes`: what is beyond is dropped; `output_bytes`: the engine is killed, and its state is in the answer",
			run: floodLog},
		{name: "a fork bomb", tries: "Forks 2,000 times, deaf to signals", contains: "`cgroup`; for users who are not root, also a limit in their user namespace: `program_processes`",
			run: forkBomb},
		{name: "a template's memory", tries: "Takes 1 GiB, in one process and in eight", contains: "`cgroup`: `program_memory_bytes`; one process is killed, not the engine",
			needs: []string{"cgroup"}, run: takeMemory},
		{name: "a template's disk", tries: "Writes 1 GiB, in many files and in one, and makes a hole of that size", contains: "`disk_bytes`: the engine is ended, and its state is in the answer; `rlimits`: no file is larger than `disk_bytes`",
			run: fillDisk},
		{name: "a provider replaced while it runs", tries: "Replaces the binary of a provider that its engine is running, by its path, by the link to it and by `/proc/PID/exe`", contains: byReadOnly,
			needs: needsFiles, run: replaceProvider},
		{name: "another tenant's template", tries: "Uses another tenant's template and version ids with an equal archive, so that what the other's init has made would be its own", contains: "What is kept for later sessions is scoped by tenant, and by the plugin's digest",
			run: equalTemplates},
		{name: "another tenant's token", tries: "Guesses tokens; shows its own twice, with the other's name, and none at all", contains: "A client is a tenant by a token that is found by its hash: `UNAUTHENTICATED`",
			run: othersTokens},
	}
}

func nothingLeft(t *testing.T, s *site) {
	if left := s.said["strays"]; len(left) > 0 {
		t.Errorf("when the answer came there were processes: %q", left)
	}
}

// attack has a session of the attacker apply a template that makes a resource and then runs the script. It returns the answer.
func (s *site) attack(t *testing.T, script string) (*dialogue, *pb.ApplyComplete) {
	t.Helper()
	d := s.planned(t, script)
	return d, d.applied(t)
}

// applied is the answer to an apply, which may have an error.
func (d *dialogue) applied(t *testing.T) *pb.ApplyComplete {
	t.Helper()
	resp, err := d.ask(inTime(t), apply)
	if err != nil {
		t.Fatalf("the apply: %v\n%s", err, strings.Join(d.logs, "\n"))
	}
	return resp.GetApply()
}

// planned is a session of the attacker that has planned such a template.
func (s *site) planned(t *testing.T, script string) *dialogue {
	t.Helper()
	const template = `
resource "terraform_data" "first" {}
resource "terraform_data" "attack" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command    = "sh attack.sh"
    on_failure = continue
  }
}
`
	d := s.open(t, s.attacker)
	d.do(t, initOf(daemontest.Template(map[string]string{"main.tf": template, "attack.sh": s.shell("attack=000\n", script)})))
	d.do(t, plan)
	return d
}

// finish ends a session. Nothing secret has come of it, and nothing is kept of what was delivered.
func (d *dialogue) finish(t *testing.T) {
	t.Helper()
	if err := d.end(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
	d.checkSecret(t)
	for _, line := range d.logs {
		if strings.Contains(line, "GOT ") {
			t.Errorf("%s", line)
		}
	}
}

// hasFirst checks that a state has the resource that was made before the attack.
func hasFirst(t *testing.T, states ...[]byte) {
	t.Helper()
	if !slices.ContainsFunc(states, hasResource) {
		t.Errorf("a resource was made and is in no state: %.300q", states)
	}
}

func hasResource(state []byte) bool {
	var content struct{ Resources []struct{ Name string } }
	return json.Unmarshal(state, &content) == nil && len(content.Resources) > 0
}

func killAll(t *testing.T, s *site) {
	d, answer := s.attack(t, "kill -KILL -1; sleep 60")
	if !strings.Contains(answer.GetError(), "killed") {
		t.Errorf("the apply is answered %q", answer.GetError())
	}
	hasFirst(t, answer.GetState())
	d.finish(t)
}

func killSupervisor(t *testing.T, s *site) {
	d, answer := s.attack(t, `parent() { while read -r name value; do [ $name = PPid: ] && echo $value; done </proc/$1/status; }
engine=$$; until tr '\\0' ' ' </proc/$engine/cmdline | grep -q terraform; do engine=$(parent $engine); done
supervisor=$(parent $engine)
echo "the supervisor is $supervisor"
for s in STOP INT TERM HUP QUIT KILL; do kill -$s $supervisor; done
sleep 0.5; echo went on`)
	if answer.GetError() != "" || !strings.Contains(strings.Join(d.logs, "\n"), "(local-exec): went on") {
		t.Errorf("the apply is answered %q; log: %q", answer.GetError(), d.logs)
	}
	hasFirst(t, answer.GetState())
	d.finish(t)
}

func loseSupervisor(t *testing.T, s *site) {
	d := s.planned(t, `setsid sh -c "(setsid sh -c \"trap '' INT TERM HUP QUIT; sleep $MARK\" &) &" </dev/null >/dev/null 2>&1; echo begun; trap '' INT TERM; sleep 60`)
	done := make(chan struct{})
	var answer *pb.ApplyComplete
	begun := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := d.Do(context.Background(), apply, func(l *pb.Log) {
			if strings.HasSuffix(l.Output, "(local-exec): begun") {
				close(begun)
			}
		})
		if err != nil {
			t.Errorf("the apply: %v", err)
		}
		answer = resp.GetApply()
	}()
	select {
	case <-begun:
	case <-time.After(daemontest.Patience):
		t.Fatal("the attack does not begin")
	}
	var supervisor int
	if !daemontest.Soon(func() bool { supervisor = s.supervisorOfStray(); return supervisor != 0 }) {
		t.Fatalf("nothing was started, or nobody watches over it: %q", s.strays())
	}
	began := time.Now()
	if err := killProcess(supervisor); err != nil {
		t.Fatal(err)
	}
	<-done
	t.Logf("answered after %v", time.Since(began).Round(time.Millisecond))
	if answer.GetError() == "" {
		t.Error("the apply is answered without an error")
	}
	if left := s.strays(); len(left) > 0 {
		t.Errorf("when the answer came there were %q", left)
	}
	hasFirst(t, append(s.kept(t), answer.GetState())...)
	d.finish(t)
}

// stray is a script that leaves a process, and sees that it is there.
func stray(script string) string {
	return script + "\nfor i in $(seq 400); do grep -qs $MARK /proc/[0-9]*/cmdline && seen=yes && break; sleep 0.05; done; [ -n \"$seen\" ] || echo ATTACK $attack GOT nothing started"
}

// states has attacks put something into the places of the state's files while an apply is at work: the apply is answered, and what there is of
// a state is the engine's own.
func states(scripts ...string) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		for _, script := range scripts {
			// What a template does away with before anybody can have seen it is lost.
			d := s.planned(t, "until [ -e seen ]; do sleep 0.05; done; for f in terraform.tfstate errored.tfstate; do "+script+"; done")
			var looking sync.WaitGroup
			looking.Go(func() { s.sayWhenSeen(t) })
			answer := d.applied(t)
			looking.Wait()
			if len(answer.GetState()) > 0 {
				hasFirst(t, answer.GetState())
			} else if !strings.Contains(answer.GetError(), "read state: ") {
				t.Errorf("%s: there is no state, and the error is %q", script, answer.GetError())
			}
			hasFirst(t, append(s.kept(t), answer.GetState())...)
			d.finish(t)
			s.discard(t)
		}
	}
}

// sayWhenSeen makes the file "seen" in the directory of the attacker's session when a state with a resource is kept of it.
func (s *site) sayWhenSeen(t *testing.T) {
	daemontest.Soon(func() bool { return slices.ContainsFunc(s.kept(t), hasResource) })
	dirs, _ := filepath.Glob(filepath.Join(host.SessionsDir(s.data), attackerTenant, "*", "work"))
	for _, dir := range dirs {
		if dir != s.paths["SIBLING"] {
			if err := os.WriteFile(filepath.Join(dir, "seen"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
	}
}

// discard removes what is kept of the attacker.
func (s *site) discard(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(host.RecoveryDir(s.data), attackerTenant)); err != nil {
		t.Error(err)
	}
}

// plantLinks links what the plugin reads in later requests of the session.
func plantLinks(t *testing.T, s *site) {
	d, _ := s.attack(t, `for f in main.tf README.md extra.tf extra.tf.json terraform.tfplan .terraform.lock.hcl .terraform/modules/modules.json terraform.tfstate; do
	mkdir -p $(dirname $f); rm -rf $f; ln -s $OUTSIDE/secret $f
done`)
	state := &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}}}
	planned := &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}}}
	for _, req := range []*pb.Request{parse, state, planned, plan} {
		resp, err := d.ask(inTime(t), req)
		if err != nil {
			t.Fatalf("%T: %v", req.Type, err)
		}
		if readme := resp.GetParse().GetReadme(); len(readme) > 0 {
			t.Errorf("the page is %q", readme)
		}
	}
	d.finish(t)
	s.discard(t)
}

func readByFunctions(t *testing.T, s *site) {
	const template = `
locals {
  paths = [PATHS]
  read = { for p in local.paths : p => {
    file     = try(file(p), "HELD")
    base64   = try(filebase64(p), "HELD")
    sha256   = try(filesha256(p), "HELD")
    template = try(templatefile(p, {}), "HELD")
    exists   = try(tostring(fileexists(p)), "HELD")
    list     = try(join(" ", fileset(dirname(p), "*")), "HELD")
  } }
}
resource "terraform_data" "read" { input = local.read }
output "read" { value = local.read }
`
	var paths []string
	up := strings.Repeat("../", 20)
	for _, path := range []string{"/etc/shadow", s.config, s.audit, s.outside + "/secret", s.home + "/.aws/credentials", s.paths["VICTIM"] + "/victims-secret.txt", s.paths["SIBLING"] + "/victims-secret.txt",
		"/proc/" + s.paths["DAEMON"] + "/environ"} {
		paths = append(paths, fmt.Sprintf("%q, %q", path, up+path[1:]))
	}
	paths = append(paths, `"~/.aws/credentials", try(pathexpand("~root/.ssh/authorized_keys"), "~root/.ssh/authorized_keys")`)
	d := s.open(t, s.attacker)
	d.do(t, initOf(daemontest.Template(map[string]string{"main.tf": strings.Replace(template, "PATHS", strings.Join(paths, ", "), 1)})))
	var planned struct {
		PlannedValues struct {
			Outputs struct {
				Read struct{ Value map[string]map[string]string }
			}
		} `json:"planned_values"`
	}
	if err := json.Unmarshal(d.do(t, plan).GetPlan().GetPlan(), &planned); err != nil {
		t.Fatal(err)
	}
	read := planned.PlannedValues.Outputs.Read.Value
	if len(read) != 2*8+2 {
		t.Fatalf("the functions read %v", read)
	}
	for path, by := range read {
		for function, got := range by {
			if function == "exists" && !slices.Contains(s.enforced, "root") {
				continue // Landlock lets it be known
			}
			if got != "HELD" && got != "false" && (function != "list" || got != "") {
				// A process of the engine's own may have the daemon's number, and nothing secret in its environment.
				if function == "list" && strings.Contains(path, "/etc/") || strings.Contains(path, "/proc/") {
					continue
				}
				t.Errorf("%s of %s is %q", function, path, got)
			}
		}
	}
	d.finish(t)
}

func modulesFromOutside(t *testing.T, s *site) {
	module := s.outside + "/module"
	for _, source := range []string{strings.Repeat("../", 20) + module[1:], "./../../../../../.." + module, module, "file::" + module, "file://" + module, "git::file://" + module, "git::" + module} {
		d := s.open(t, s.attacker)
		resp, err := d.ask(inTime(t), initOf(daemontest.Template(map[string]string{"main.tf": fmt.Sprintf("module \"m\" { source = %q }", source)})))
		if err != nil {
			t.Fatal(err)
		}
		if client.ErrorOf(resp) == "" {
			t.Errorf("the module %s is there: %v", source, resp)
		}
		d.finish(t)
	}
}

func floodLog(t *testing.T, s *site) {
	began := time.Now()
	d, answer := s.attack(t, `yes "$(head -c 100 /dev/zero | tr '\0' x)" | head -c 16777216`)
	size := 0
	for _, line := range d.logs {
		size += len(line)
	}
	t.Logf("%d bytes of logs came in %v; the apply is answered %q", size, time.Since(began).Round(time.Millisecond), answer.GetError())
	if size > 2<<20 {
		t.Errorf("%d bytes of logs came", size)
	}
	if !strings.Contains(answer.GetError(), "output_bytes") {
		t.Errorf("the apply is answered %q", answer.GetError())
	}
	hasFirst(t, answer.GetState())
	d.finish(t)
}

// forkBomb forks so often that no machine notices, and more often than it may.
func forkBomb(t *testing.T, s *site) {
	if !slices.Contains(s.enforced, "cgroup") && s.uid == 0 {
		t.Skip("this machine does not enforce cgroup here, and root's processes are not limited otherwise")
	}
	d, answer := s.attack(t, `perl -e '$SIG{INT} = $SIG{TERM} = "IGNORE"; for (1..2000) { my $p = fork; last unless defined $p; if (!$p) { close STDOUT; close STDERR; sleep 60; exit } $n++ } print "forked $n times\n"; exit 1'`)
	forked := -1
	for _, line := range d.logs {
		if _, said, ok := strings.Cut(line, "(local-exec): forked "); ok {
			_, _ = fmt.Sscan(said, &forked)
		}
	}
	t.Logf("it forked %d times; the apply is answered %q", forked, answer.GetError())
	if forked >= processesOfAttackers {
		t.Errorf("it forked %d times", forked)
	}
	hasFirst(t, answer.GetState())
	d.finish(t)
}

func takeMemory(t *testing.T, s *site) {
	const take = `perl -e '$x = "x" x (1 << 30); print "GOT a gibibyte\n"; exit 1'`
	// Those who get it hold it until each has tried.
	const share = `for i in 1 2 3 4 5 6 7 8; do perl -e '$x = "x" x (1 << 27); open F, ">took$ARGV[0]"; sleep 1 until -e "tried"; print "went on\n"' $i & pids="$pids $i:$!"; done
for p in $pids; do until [ -e took${p%:*} ] || ! kill -0 ${p#*:} 2>/dev/null; do sleep 0.05; done; done
touch tried; wait; exit 1`
	for _, script := range []string{take, share} {
		d, answer := s.attack(t, script)
		t.Logf("the apply is answered %q", answer.GetError())
		if n := strings.Count(strings.Join(d.logs, "\n"), "(local-exec): went on"); n >= 8 {
			t.Errorf("%d processes took 128 MiB each", n)
		}
		hasFirst(t, answer.GetState())
		d.finish(t)
	}
}

func fillDisk(t *testing.T, s *site) {
	for script, limit := range map[string]string{
		`for i in $(seq 32); do head -c 33554432 /dev/zero >file$i || break; done; sleep 60; echo GOT a gibibyte`:                                          "disk_bytes",
		`truncate -s 1G hole && echo GOT a hole; head -c 1G /dev/zero >file; ls -l; [ $(stat -c %s file) -gt 300000000 ] && echo GOT a large file; exit 1`: "",
	} {
		d, answer := s.attack(t, script)
		t.Logf("the apply is answered %q", answer.GetError())
		if !strings.Contains(answer.GetError(), limit) {
			t.Errorf("the apply is answered %q, want %s named", answer.GetError(), limit)
		}
		hasFirst(t, append(s.kept(t), answer.GetState())...)
		d.finish(t)
		s.discard(t)
	}
}

// replaceProvider has a session apply with a provider that takes its time, and try to replace its binary meanwhile.
func replaceProvider(t *testing.T, s *site) {
	template := fmt.Sprintf(`
terraform {
  required_providers {
    fixture = { source = %q }
  }
}
resource "fixture_slow" "slow" { seconds = 2 }
resource "fixture_slow" "after" {
  seconds    = 0
  depends_on = [fixture_slow.slow]
}
resource "terraform_data" "attack" {
  provisioner "local-exec" {
    command    = "sh attack.sh"
    on_failure = continue
  }
}
`, mirrored)
	script := s.shell("attack=000\n", `for b in .terraform/providers/*/*/*/*/*/terraform-provider* /proc/[0-9]*/exe; do
	case $(readlink -f $b) in *terraform-provider*) ;; *) continue;; esac
	redirect "cp /bin/true $b"
	redirect "echo spoiled >>$b"
	try rename mv -f /bin/true $(readlink -f $b)
done; echo went on`)
	binary := filepath.Join(s.mirror, filepath.FromSlash(mirrored), "1.0.0", s.paths["PLATFORM"], fixtureBinary)
	good, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	d := s.open(t, s.attacker)
	d.do(t, initOf(daemontest.Template(map[string]string{"main.tf": template, "attack.sh": script})))
	d.do(t, plan)
	d.do(t, apply)
	if now, err := os.ReadFile(binary); err != nil || !bytes.Equal(now, good) {
		t.Errorf("the provider has changed: %v", err)
	}
	if !strings.Contains(strings.Join(d.logs, "\n"), "(local-exec): went on") {
		t.Errorf("the attack was not made: %q", d.logs)
	}
	d.finish(t)
}

// equalTemplates has both tenants use the same ids and the same archive. What was made for the one is not there for the other.
func equalTemplates(t *testing.T, s *site) {
	config := &pb.Config{ExpReuseTerraformWorkspace: proto.Bool(true), TemplateId: proto.String(uuid.NewString()), TemplateVersionId: proto.String(uuid.NewString())}
	files := daemontest.Template(map[string]string{"main.tf": s.needsFetched()})
	reused := func(c *client.Client) bool {
		t.Helper()
		d, err := s.begin(inTime(t), c, config)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		d.do(t, initOf(files))
		if err := d.end(); err != nil {
			t.Error(err)
		}
		ran := strings.Contains(strings.Join(d.logs, "\n"), "acme/fixture v1.0.0")
		return !ran
	}
	if reused(s.victim) {
		t.Error("the victim's first init did not run")
	}
	if !reused(s.victim) {
		t.Error("the victim's second init ran: nothing is kept, and this attack is none")
	}
	if reused(s.attacker) {
		t.Error("the attacker got what the victim's init had made")
	}
}

func othersTokens(t *testing.T, s *site) {
	for _, token := range []string{"", "victim", victimTenant + ":" + attackerToken, attackerToken + " " + victimTenant, victimToken[:len(victimToken)-1], victimToken + "x", hashOf(victimToken), strings.ToUpper(victimToken)} {
		c, err := client.Dial("unix:"+s.socket, client.Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.begin(inTime(t), c, &pb.Config{})
		if err == nil {
			_, err = d.ask(inTime(t), initOf(nil))
		}
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("with the token %q: %v", token, err)
		}
		c.Close()
	}
}
