package graph

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func parameter(values attributes) *template {
	return &template{prior: []instance{{"data.coder_parameter.p", values}}}
}

func TestParameters(t *testing.T) {
	tests := map[string]struct {
		values attributes
		want   string
	}{
		"everything": {
			attributes{
				"name": "Region", "display_name": "The region", "description": "where", "type": "string", "form_type": "radio", "mutable": true,
				"default": "eu", "icon": "/i", "optional": true, "order": 3, "ephemeral": true, "styling": "{}", "value": "not read",
				"option":     []any{attributes{"name": "Z", "value": "z", "icon": "/z", "description": "zz"}, attributes{"name": "A", "value": "a", "icon": nil}},
				"validation": []any{attributes{"regex": "^[a-z]+$", "error": "letters", "monotonic": "increasing", "min_disabled": true, "max_disabled": true}},
			},
			`{"name":"Region","display_name":"The region","description":"where","type":"string","form_type":"RADIO","mutable":true,
			"default_value":"eu","icon":"/i","order":3,"ephemeral":true,
			"options":[{"name":"Z","value":"z","icon":"/z","description":"zz"},{"name":"A","value":"a"}],
			"validation_regex":"^[a-z]+$","validation_error":"letters","validation_monotonic":"increasing"}`,
		},
		"nothing": {nil, `{"required":true}`},
		"null": {
			attributes{"name": "n", "optional": nil, "default": nil, "form_type": nil, "option": nil, "validation": nil, "order": nil, "type": nil},
			`{"name":"n","required":true}`,
		},
		"not optional":   {attributes{"optional": false}, `{"required":true}`},
		"number default": {attributes{"default": json.Number("1.50"), "optional": true}, `{"default_value":"1.50"}`},
		"bool default":   {attributes{"default": false, "optional": true}, `{"default_value":"false"}`},
		"order too low":  {attributes{"order": json.Number("-1e20"), "optional": true}, `{"order":-2147483648}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := parameter(test.values).plan(t)
			if len(answer.GetParameters()) != 1 {
				t.Fatalf("got %d parameters, want 1", len(answer.GetParameters()))
			}
			wantMessage(t, answer.GetParameters()[0], test.want)
		})
	}
}

func TestValidation(t *testing.T) {
	on, off := false, true
	block := func(values attributes) []any { return []any{values} }
	tests := map[string]struct {
		validation any
		want       string
	}{
		"no block":                        {[]any{}, `{}`},
		"two blocks are none":             {[]any{attributes{"min": 1, "regex": "x"}, attributes{"max": 2}}, `{}`},
		"both on":                         {block(attributes{"min": 1, "max": 5, "min_disabled": on, "max_disabled": on}), `{"validation_min":1,"validation_max":5}`},
		"both on, at 0":                   {block(attributes{"min": 0, "max": 0, "min_disabled": on, "max_disabled": on}), `{"validation_min":0,"validation_max":0}`},
		"min on":                          {block(attributes{"min": 0, "max": 0, "min_disabled": on, "max_disabled": off}), `{"validation_min":0}`},
		"max on":                          {block(attributes{"min": 7, "max": 0, "min_disabled": off, "max_disabled": on}), `{"validation_max":0}`},
		"both off":                        {block(attributes{"min": 7, "max": 8, "min_disabled": off, "max_disabled": off}), `{}`},
		"null limits that are on":         {block(attributes{"min": nil, "max": nil, "min_disabled": on, "max_disabled": on}), `{"validation_min":0,"validation_max":0}`},
		"old provider, no limits":         {block(attributes{"min": 0, "max": 0, "regex": "x"}), `{"validation_regex":"x"}`},
		"old provider, nothing":           {block(attributes{"error": "e"}), `{"validation_error":"e"}`},
		"old provider, min":               {block(attributes{"min": -3, "max": 0}), `{"validation_min":-3,"validation_max":0}`},
		"old provider, max":               {block(attributes{"min": 0, "max": 4}), `{"validation_min":0,"validation_max":4}`},
		"no min_disabled, max_disabled":   {block(attributes{"min": 0, "max": 4, "max_disabled": off}), `{"validation_min":0,"validation_max":4}`},
		"min_disabled alone":              {block(attributes{"min": 2, "max": 4, "min_disabled": off}), `{"validation_max":4}`},
		"beyond an int32":                 {block(attributes{"min": json.Number("-9999999999"), "max": json.Number("1e300"), "min_disabled": on}), `{"validation_min":-2147483648,"validation_max":2147483647}`},
		"numbers as text, with fractions": {block(attributes{"min": "3", "max": json.Number("6.0"), "min_disabled": on}), `{"validation_min":3,"validation_max":6}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantMessage(t, parameter(attributes{"optional": true, "validation": test.validation}).plan(t).GetParameters()[0], test.want)
		})
	}
}

func TestFormTypes(t *testing.T) {
	for formType, want := range map[string]pb.ParameterFormType{
		"": pb.ParameterFormType_DEFAULT, "error": pb.ParameterFormType_FORM_ERROR, "radio": pb.ParameterFormType_RADIO,
		"dropdown": pb.ParameterFormType_DROPDOWN, "input": pb.ParameterFormType_INPUT, "textarea": pb.ParameterFormType_TEXTAREA,
		"slider": pb.ParameterFormType_SLIDER, "checkbox": pb.ParameterFormType_CHECKBOX, "switch": pb.ParameterFormType_SWITCH,
		"tag-select": pb.ParameterFormType_TAGSELECT, "multi-select": pb.ParameterFormType_MULTISELECT,
	} {
		if got := parameter(attributes{"form_type": formType}).plan(t).GetParameters()[0].GetFormType(); got != want {
			t.Errorf("form type %q: got %v, want %v", formType, got, want)
		}
	}
	parameter(attributes{"name": "n", "form_type": "hologram"}).wantError(t, "", `"hologram"`, `"n"`, "data.coder_parameter.p")
}

func named(name string) attributes { return attributes{"name": name} }

func TestParametersKeepTheirOrderChildModulesFirst(t *testing.T) {
	tp := &template{
		prior: []instance{
			{"data.coder_parameter.z", named("root z")}, {"data.coder_parameter.a", named("root a")},
			{"module.m.data.coder_parameter.z", named("m z")}, {"module.m.module.n.data.coder_parameter.x", named("n x")},
			{"module.b.data.coder_parameter.y", named("b y")}, {"module.m.data.coder_parameter.a", named("m a")},
			{"docker_image.not_data", nil},
		},
		planned: []instance{{"data.coder_parameter.deferred", named("deferred")}, {"module.c.data.coder_parameter.deferred", named("deferred in c")}},
	}
	var got []string
	for _, p := range tp.plan(t).GetParameters() {
		got = append(got, p.GetName())
	}
	want := []string{"n x", "m z", "m a", "b y", "root z", "root a", "deferred in c", "deferred"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
}

func TestRepeatedParameterNames(t *testing.T) {
	tp := &template{prior: []instance{
		{"data.coder_parameter.a", named("first")}, {"data.coder_parameter.b", named("once")}, {"data.coder_parameter.c", named("second")},
		{"module.m.data.coder_parameter.d", named("second")}, {"data.coder_parameter.e", named("first")}, {"data.coder_parameter.f", named("first")},
	}}
	tp.wantError(t, `"second", "first"`)
	if answer := tp.complete(t, pb.GraphSource_SOURCE_PLAN); strings.Contains(answer.GetError(), "once") {
		t.Errorf("the error names what is not repeated: %s", answer.GetError())
	}
}

func TestOneAddressIsOneParameter(t *testing.T) {
	tp := parameter(attributes{"name": "old"})
	tp.planned = []instance{{"data.coder_parameter.p", attributes{"name": "new"}}}
	answer := tp.plan(t)
	if len(answer.GetParameters()) != 1 || answer.GetParameters()[0].GetName() != "new" {
		t.Errorf("got %v, want the planned one alone", answer.GetParameters())
	}
}

func TestPresets(t *testing.T) {
	tests := map[string]struct {
		values attributes
		want   string
	}{
		"everything": {
			attributes{
				"name": "Big", "description": "much", "icon": "/i", "default": true, "parameters": attributes{"size": "9", "cpu": 4, "null": nil},
				"prebuilds": []any{attributes{
					"instances":         2,
					"expiration_policy": []any{attributes{"ttl": 3600}, attributes{"ttl": 1}},
					"scheduling": []any{
						attributes{"timezone": "UTC", "schedule": []any{attributes{"cron": "* 8-18 * * 1-5", "instances": 5}, attributes{"cron": "* 1 * * *"}}},
						attributes{"timezone": "second"},
					},
				}, attributes{"instances": 7}},
			},
			`{"name":"Big","description":"much","icon":"/i","default":true,
			"parameters":[{"name":"cpu","value":"4"},{"name":"null"},{"name":"size","value":"9"}],
			"prebuild":{"instances":2,"expiration_policy":{"ttl":3600},
				"scheduling":{"timezone":"UTC","schedule":[{"cron":"* 8-18 * * 1-5","instances":5},{"cron":"* 1 * * *"}]}}}`,
		},
		"nothing":        {nil, `{"prebuild":{}}`},
		"null":           {attributes{"name": "n", "parameters": nil, "prebuilds": nil}, `{"name":"n","prebuild":{}}`},
		"no prebuilds":   {attributes{"name": "n", "parameters": attributes{}, "prebuilds": []any{}}, `{"name":"n","prebuild":{}}`},
		"empty prebuild": {attributes{"prebuilds": []any{attributes{}}}, `{"prebuild":{}}`},
		"empty blocks":   {attributes{"prebuilds": []any{attributes{"expiration_policy": []any{attributes{}}, "scheduling": []any{attributes{}}}}}, `{"prebuild":{"expiration_policy":{},"scheduling":{}}}`},
		"no blocks":      {attributes{"prebuilds": []any{attributes{"instances": 1, "expiration_policy": []any{}, "scheduling": []any{}}}}, `{"prebuild":{"instances":1}}`},
		"zero instances": {attributes{"prebuilds": []any{attributes{"instances": 0}}}, `{"prebuild":{}}`},
		"numbers too large": {
			attributes{"prebuilds": []any{attributes{
				"instances":         json.Number("2147483648"),
				"expiration_policy": []any{attributes{"ttl": json.Number("1e15")}},
				"scheduling":        []any{attributes{"schedule": []any{attributes{"instances": json.Number("99999999999999999999999")}}}},
			}}},
			`{"prebuild":{"instances":2147483647,"expiration_policy":{"ttl":2147483647},"scheduling":{"schedule":[{"instances":2147483647}]}}}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tp := &template{prior: []instance{{"data.coder_workspace_preset.p", test.values}}}
			wantMessage(t, tp.plan(t).GetPresets()[0], test.want)
		})
	}
}

func TestPresetsTogether(t *testing.T) {
	preset := func(name string, isDefault bool) attributes { return attributes{"name": name, "default": isDefault} }
	tp := &template{prior: []instance{
		{"data.coder_workspace_preset.z", preset("same", false)}, {"data.coder_workspace_preset.a", preset("same", true)},
		{"module.m.data.coder_workspace_preset.x", preset("child", false)},
	}}
	var got []string
	for _, p := range tp.plan(t).GetPresets() {
		got = append(got, p.GetName())
	}
	if diff := cmp.Diff([]string{"child", "same", "same"}, got); diff != "" {
		t.Errorf("presets differ (-want +got):\n%s", diff)
	}
	tp.prior[0].values["default"], tp.prior[2].values["default"] = true, true
	tp.wantError(t, "a maximum of 1 coder_workspace_preset can be marked as default, but 3 are set")
	tp.prior[0].values["default"] = false
	tp.wantError(t, "a maximum of 1 coder_workspace_preset can be marked as default, but 2 are set")
}

func TestPresetsWarnOfParametersThatTheTemplateLacks(t *testing.T) {
	tp := &template{prior: []instance{
		{"data.coder_parameter.p", named("there")}, {"module.m.data.coder_parameter.q", named("in a module")},
		{"data.coder_workspace_preset.a", attributes{"name": "A", "parameters": attributes{"there": "1", "in a module": "2"}}},
		{"data.coder_workspace_preset.b", attributes{"name": "B", "parameters": attributes{"there": "1", "lost": "2", "gone": "3"}}},
	}}
	answer := tp.plan(t)
	if got := len(answer.GetPresets()[1].GetParameters()); got != 3 {
		t.Errorf("the preset has %d parameters, want all 3", got)
	}
	if len(tp.warned) != 2 || !strings.Contains(tp.warned[0], `"gone"`) || !strings.Contains(tp.warned[1], `"lost"`) || !strings.Contains(tp.warned[0], `"B"`) {
		t.Errorf("got warnings %q, want one for each parameter that is missing", tp.warned)
	}
}

func TestExternalAuth(t *testing.T) {
	auth := func(id string, optional any) attributes {
		return attributes{"id": id, "optional": optional, "access_token": "secret"}
	}
	tests := map[string]struct {
		prior []instance
		want  string
	}{
		"by id": {
			[]instance{{"data.coder_external_auth.a", auth("z", true)}, {"data.coder_external_auth.b", auth("a", nil)}, {"data.coder_external_auth.c", auth("m", false)}},
			`[{"id":"a"},{"id":"m"},{"id":"z","optional":true}]`,
		},
		"the old name": {
			[]instance{{"data.coder_git_auth.a", auth("github", true)}, {"data.coder_external_auth.b", auth("gitlab", true)}},
			`[{"id":"github","optional":true},{"id":"gitlab","optional":true}]`,
		},
		"the new name wins": {
			[]instance{{"data.coder_external_auth.b", auth("x", true)}, {"data.coder_git_auth.a", auth("x", false)}},
			`[{"id":"x","optional":true}]`,
		},
		"the new name wins, whatever it says": {
			[]instance{{"data.coder_git_auth.z", auth("x", true)}, {"data.coder_external_auth.b", auth("x", false)}},
			`[{"id":"x"}]`,
		},
		"optional if it is each time": {
			[]instance{{"data.coder_external_auth.a", auth("x", false)}, {"module.m.data.coder_external_auth.b", auth("x", true)}, {"data.coder_external_auth.c", auth("x", true)}},
			`[{"id":"x"}]`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := (&template{prior: test.prior}).plan(t)
			wantMessage(t, &pb.GraphComplete{ExternalAuthProviders: answer.GetExternalAuthProviders()}, `{"external_auth_providers":`+test.want+`}`)
		})
	}
}
