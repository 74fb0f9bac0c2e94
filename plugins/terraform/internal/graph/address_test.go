package graph

import "testing"

func TestParseAddress(t *testing.T) {
	tests := []struct {
		address, modulePath, resourceType, keyless string
		data                                       bool
	}{
		{address: `null_resource.a`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a[0]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a[12345678901234567890]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["x"]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a[""]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["eu.west-1"]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["a[0]"]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["]"]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["["]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["say \"hi\""]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["\"].module.b[\""]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["back\\"]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a["$${x} %%{y} \n\u200b"]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `null_resource.a[*]`, resourceType: "null_resource", keyless: "null_resource.a"},
		{address: `data.coder_parameter.p["x"]`, resourceType: "coder_parameter", keyless: "data.coder_parameter.p", data: true},
		{address: `module.a.null_resource.b`, modulePath: "module.a", resourceType: "null_resource", keyless: "module.a.null_resource.b"},
		{
			address:    `module.a["x"].module.b[0].data.http.c["y"]`,
			modulePath: `module.a["x"].module.b[0]`, resourceType: "http", keyless: "module.a.module.b.data.http.c", data: true,
		},
		{
			address:    `module.a["m.module.z[\"q\"].null_resource.x"].null_resource.b[1]`,
			modulePath: `module.a["m.module.z[\"q\"].null_resource.x"]`, resourceType: "null_resource", keyless: "module.a.null_resource.b",
		},
		{address: `module.module.null_resource.data`, modulePath: "module.module", resourceType: "null_resource", keyless: "module.module.null_resource.data"},
		{address: `_x.ünïcode-2`, resourceType: "_x", keyless: "_x.ünïcode-2"},
	}
	for _, test := range tests {
		want := address{ModulePath: test.modulePath, Type: test.resourceType, Data: test.data, Keyless: test.keyless}
		if got, ok := parseAddress(test.address); !ok || got != want {
			t.Errorf("parseAddress(%s) = %+v, %v; want %+v", test.address, got, ok, want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, s := range []string{
		"", ".", "a", "a.", ".a", "a..b", "a.b.c", "a.b ", " a.b", "a b.c", "1a.b", "a.1b", "-a.b", "a.b (expand)", "root",
		"data", "data.a", "data.a.", "data.a.b.c", "module", "module.a", "module.a (close)", "module.a.", "module..a.b", "module.a[0].b",
		"a.b[", "a.b]", "a.b[]", "a.b[x]", "a.b[-1]", "a.b[0", "a.b[0]]", "a.b[0][1]", "a.b[0].c", `a.b["x]`, `a.b["x"`, `a.b["x"].c`,
		`a.b["x\"]`, `a.b['x']`, `a["x"].b`, `module.a["x"]b.c.d`, `module.a["x".b.c`, "a.b\xff", `provider["registry.terraform.io/coder/coder"]`,
	} {
		if a, ok := parseAddress(s); ok {
			t.Errorf("parseAddress(%q) = %+v, want a refusal", s, a)
		}
		if got := WithoutKeys(s); got != s {
			t.Errorf("WithoutKeys(%q) = %q, want what is no address as it is", s, got)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add(`module.a["x"].module.b[0].data.http.c["\\\"]."]`)
	f.Add(`a.b[*]`)
	f.Add("a.b\xff")
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := parseAddress(s)
		if !ok {
			return
		}
		if len(a.Keyless) > len(s) || len(a.ModulePath) > len(s) || s[:len(a.ModulePath)] != a.ModulePath {
			t.Errorf("parseAddress(%q) = %+v: more than what was there", s, a)
		}
		again, ok := parseAddress(a.Keyless)
		if !ok || again.Keyless != a.Keyless || again.Type != a.Type || again.Data != a.Data {
			t.Errorf("parseAddress(%q) = %+v, %v: the keyless address has other parts", a.Keyless, again, ok)
		}
	})
}
