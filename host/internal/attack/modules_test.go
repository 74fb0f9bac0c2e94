package attack

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

const (
	byManifest = "The manifest is checked before any of the module's code runs: not loaded"
	byVet      = "Sections are read before the compiler gets them: not loaded"
)

func modules() []attack {
	lies := func(name, tries string, change func(*guestpb.Manifest), want string) attack {
		return attack{name, tries, byManifest, refused(func() []byte {
			m := bareModule()
			manifest := greedy()
			change(manifest)
			m.manifest(manifest)
			return m.report()
		}, want)}
	}
	return []attack{
		lies("a name that is a path", "The manifest's name is `../../etc`", func(m *guestpb.Manifest) { m.Name = "../../etc" }, `name: "../../etc" must be`),
		lies("a name for terminals", "The manifest's name and description have escape sequences in them", func(m *guestpb.Manifest) {
			m.Name, m.Description = "\x1b[2Jx", "\x1b]0;x\x07"
		}, "description: must be one line"),
		lies("a version of the future", "The manifest says that it is for version 2 of the ABI", func(m *guestpb.Manifest) { m.AbiVersion = 2 << 16 }, "abi_version"),
		lies("files to keep outside", "The manifest has `/etc/shadow` and `../x` among the files that the host must not lose, and so reads", func(m *guestpb.Manifest) {
			m.KeepFiles = []string{"/etc/shadow", "../x"}
		}, `"/etc/shadow" is not the relative path of a file`),
		lies("every variable by one star", "The manifest asks for the variables `*`", func(m *guestpb.Manifest) { m.Env = []string{"*"} }, `env: "*" is not`),
		lies("a program that is a path", "The manifest asks for the program `/bin/sh`", func(m *guestpb.Manifest) { m.Programs = []string{"/bin/sh"} }, `programs: "/bin/sh" is not`),
		lies("a manifest that is large", "The manifest has 100,000 entries", func(m *guestpb.Manifest) {
			m.Env = slices.Repeat([]string{"A"}, 100_000)
		}, "it has"),
		{"two manifests", "A harmless manifest for those who read the first, another for those who read the last", byManifest, refused(func() []byte {
			m := newModule()
			m.manifest(&guestpb.Manifest{Name: "harmless", Version: "1.0.0", AbiVersion: abi.Version, Requests: []string{"init"}})
			return m.report()
		}, `two custom sections are named "provisor.manifest"`)},
		{"a manifest of garbage", "The section is no message", byManifest, refused(func() []byte {
			m := bareModule()
			m.Custom(abi.ManifestSection, []byte("\xff\xff\xff"))
			return m.report()
		}, "its manifest (custom section provisor.manifest): decode it")},
		{"the name of another plugin", "The manifest's name and version are those of the terraform plugin, whose cached files it asks for", "What is kept is found by the module's digest, not by its name",
			otherName},
		{"another version when it runs", "`provisor_abi_version` returns 2.0", "The version is asked again when an instance starts", runs(host.Options{}, export(abi.ExportABIVersion, wt.I32Const(2<<16)), "version", nil)},
		{"names of functions for terminals", "Traps in a function whose name has a line break and escape sequences in it, so that they are in the stack", "Names are quoted in the log", func(t *testing.T, a *arena) {
			p := wt.NewPlugin()
			f := p.Func(nil, nil, nil, wt.Unreachable)
			name := "x\nlevel=ERROR msg=forged\x1b[2J"
			p.Custom("name", slices.Concat([]byte{1}, wt.Section(0, wt.Vector(append(wt.Leb(f), wt.Name(name)...)))[1:]))
			d, err := load(t, host.Options{}, server.Options{}, p.Handled(wt.Call(f), zero))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.init(t, initOf(nil)); !strings.Contains(got.text, "trapped") || strings.Contains(got.text, "forged") {
				t.Errorf("the Complete says %q", got.text)
			}
			if log := d.log.String(); strings.Contains(log, "\x1b") || strings.Contains(log, "\nlevel=ERROR msg=forged") {
				t.Errorf("the log has it:\n%s", log)
			}
		}},
		{"no such function", "Imports functions that the host does not have", "Imports are compared with the ABI: not loaded", refused(func() []byte {
			p := wt.NewPlugin()
			p.ImportFunc(abi.HostModule, "exec_anything", []wt.Type{wt.I32}, []wt.Type{wt.I32})
			return p.Handled(zero)
		}, "it imports provisor_v1.exec_anything, which version 1.0 of the ABI does not have")},
		{"a function with another signature", "Imports `log` with eight parameters, so that the host would read beyond its stack", "Signatures are compared with the ABI: not loaded", refused(func() []byte {
			p := wt.NewPlugin()
			p.ImportFunc(abi.HostModule, abi.FuncLog, slices.Repeat([]wt.Type{wt.I64}, 8), nil)
			return p.Handled(zero)
		}, "its import provisor_v1.log has the signature")},
		{"the host's own function", "Imports the function by which the host interrupts modules, to refill its own fuel", byVet, refused(func() []byte {
			p := wt.NewPlugin()
			p.ImportFunc("provisor_fuel", "yield", []wt.Type{wt.I64}, []wt.Type{wt.I64})
			return p.Handled(zero)
		}, "it imports the function provisor_fuel.yield, which is not to be had")},
		{"an export that is an import", "Exports the host's `respond` as `provisor_handle`", "Exports must be the module's own: not loaded", refused(func() []byte {
			p := wt.NewPlugin()
			p.ExportFunc(abi.ExportHandle, p.Index(abi.FuncRespond))
			p.Define(abi.ExportABIVersion, nil, wt.I32Const(abi.Version))
			p.Define(abi.ExportAlloc, nil, zero)
			p.Memory(wt.AtLeast(1))
			p.ExportMemory(abi.ExportMemory)
			return p.Bytes()
		}, "its export provisor_handle is a function that it imports itself")},
		{"a memory of somebody else", "Imports a memory", byVet, refused(func() []byte {
			p := wt.NewPlugin()
			p.ImportMemory(abi.HostModule, "memory", wt.AtLeast(1))
			return p.Handled(zero)
		}, "it imports the memory provisor_v1.memory, which is not to be had")},
		{"two memories", "Has a second memory, which nobody limits", byVet, refused(func() []byte {
			p := wt.NewPlugin()
			p.Memory(wt.AtLeast(1))
			return p.Handled(zero)
		}, "the limit is 1")},
		{"counts that are absurd", "Every section says that 2³²-1 entries follow, or bytes, or locals, and none does: twenty bytes for which a decoder allocates hundreds of GiB", byVet, absurdCounts},
		{"a module cut anywhere", "A good module, cut at each of its bytes", byVet, cutAnywhere},
	}
}

// otherName: the plugin that keeps a file, and the one that wants it, have the same manifest.
func otherName(t *testing.T, a *arena) {
	cache := t.TempDir()
	plugin := func(build func(*module)) []int64 {
		m := bareModule()
		manifest := greedy()
		manifest.Name, manifest.Version = "terraform", "0.1.0"
		m.manifest(manifest)
		build(m)
		d := startDaemon(t, host.Options{Plugin: write(t, m.report()), CacheDir: cache}, server.Options{})
		defer d.stop()
		got := d.init(t, initOf(nil))
		if got.text != "" {
			t.Error(got.text)
		}
		a.clean(t, d)
		return got.results[:len(m.calls)]
	}
	keep := func(m *module) {
		m.with(abi.FuncCacheRestore, "key")
		name, n := m.put("secret")
		m.wasiCall("path_open", 3, 0, int64(name), int64(n), 1, 1<<6, 0, 0, outAt)
		m.with(abi.FuncCacheSave, string(marshal(&guestpb.CacheSave{Key: "key", Paths: []string{"secret"}})))
	}
	if got := plugin(keep); !slices.Equal(got, []int64{0, 0, 0}) {
		t.Fatalf("to keep the file returned %d", got)
	}
	if got := plugin(keep); got[0] != 1 {
		t.Fatalf("the plugin does not get back what it kept: %d", got)
	}
	if got := plugin(func(m *module) { m.with(abi.FuncCacheRestore, "key") }); got[0] != 0 {
		t.Errorf("another plugin got it: %d", got)
	}
}

func absurdCounts(t *testing.T, _ *arena) {
	count := wt.Leb(1<<32 - 1)
	sections := map[string][]byte{
		"a type's parameters": wt.Section(1, slices.Concat(wt.Leb(1), []byte{0x60}, count)),
		"a body":              wt.Section(10, append(wt.Leb(1), count...)),
		"locals":              wt.Section(10, wt.Vector(wt.Section(0, slices.Concat(wt.Leb(1), count, []byte{0x7f, 0x0b}))[1:])),
		"a table's entries":   wt.Section(4, wt.Vector(slices.Concat([]byte{0x70, 0}, count))),
		"a segment's bytes":   wt.Section(11, slices.Concat(wt.Leb(1), wt.Leb(1), count)),
		"a name's bytes":      wt.Section(7, slices.Concat(wt.Leb(1), count)),
		"a custom name":       wt.Section(0, count),
	}
	for id := byte(1); id <= 11; id++ {
		if id != 8 {
			sections["section "+string('0'+id)] = wt.Section(id, count)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for name, section := range sections {
		if d, err := load(t, host.Options{}, server.Options{}, slices.Concat(wt.Header(), section)); err == nil {
			d.stop()
			t.Errorf("%s: loaded", name)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<30 {
		t.Errorf("%d MiB were allocated", got>>20)
	}
	if took := time.Since(began); took > late {
		t.Errorf("it took %s", took)
	}
}

func cutAnywhere(t *testing.T, _ *arena) {
	p := wt.NewPlugin()
	p.Table(wt.AtLeast(1))
	p.Elements(0, p.Index(abi.FuncLog))
	whole := p.Handled(p.Host(abi.FuncRespond, 0, 0), wt.Drop, zero) // no data, which a module can be cut off
	dir := t.TempDir()
	loaded := 0
	for n := range len(whole) {
		if n%7 != 0 && n < len(whole)-20 { // each takes a few milliseconds
			continue
		}
		if d, err := newDaemon(t, host.Options{Plugin: write(t, whole[:n]), CacheDir: dir}, server.Options{}); err == nil {
			d.stop()
			loaded++
		}
	}
	if loaded > 0 {
		t.Errorf("%d of the pieces were loaded", loaded)
	}
	if d, err := newDaemon(t, host.Options{Plugin: write(t, bytes.Clone(whole)), CacheDir: dir}, server.Options{}); err != nil {
		t.Errorf("the whole is not loaded: %v", err)
	} else {
		d.stop()
	}
}
