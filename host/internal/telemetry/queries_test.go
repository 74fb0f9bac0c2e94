package telemetry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v3"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/observe"
)

// exported are the metrics that a daemon exports once all has happened that it counts, with their labels.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	m := newMetrics("1.2.3", func() (host.Status, bool) {
		return host.Status{Tenants: map[string]host.TenantStatus{"a": {}}, FreeKnown: true}, true
	})
	now := time.Now()
	s := &observe.Session{ID: "1", Tenant: "a", Plugin: "p", Began: now, Ended: now, Outcome: "ok", Class: "ok", Kept: 1, Delivered: 1, Limit: "sessions"}
	r := &observe.Request{Session: s, Kind: "plan", Asked: now, Began: now, Ended: now, Outcome: observe.OK, Limits: []string{"files"}}
	p := &observe.Program{Request: r, Command: "plan", Began: now, Ended: now, Outcome: observe.OK}
	for _, a := range []observe.Activity{s, r, p} {
		m.Begin(t.Context(), a)
	}
	for _, a := range []observe.Activity{p, r, s} {
		m.End(t.Context(), a)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{"up": {"job", "instance"}}
	for _, f := range families {
		labels := []string{"job", "instance"} // Prometheus adds these
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		found[f.GetName()] = labels
		if f.GetType().String() == "HISTOGRAM" {
			found[f.GetName()+"_bucket"] = append(slices.Clone(labels), "le")
			found[f.GetName()+"_sum"], found[f.GetName()+"_count"] = labels, labels
		}
	}
	return found
}

// check says what is wrong with a query.
func check(query string, known map[string][]string) (problems []string) {
	query = strings.NewReplacer("$__rate_interval", "5m", "$instance", "x", "$tenant", "x").Replace(query)
	e, err := metricsql.Parse(query)
	if err != nil {
		return []string{err.Error()}
	}
	var labels []string
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		m, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			name := ""
			for _, f := range filters {
				switch {
				case f.Label == "__name__":
					name = f.Value
				case !slices.Contains(known[name], f.Label):
					problems = append(problems, name+" has no label "+f.Label)
				}
			}
			if known[name] == nil {
				problems = append(problems, "there is no metric "+name)
			}
			labels = append(labels, known[name]...)
		}
	})
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		if a, ok := e.(*metricsql.AggrFuncExpr); ok {
			for _, by := range a.Modifier.Args {
				if !slices.Contains(labels, by) {
					problems = append(problems, "nothing in it has the label "+by)
				}
			}
		}
	})
	return problems
}

// TestQueries checks the queries of the dashboard and of the alerts against what is really exported.
func TestQueries(t *testing.T) {
	known := exported(t)
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct {
				Expr         string
				LegendFormat string
			}
		}
		Templating struct{ List []struct{ Definition string } }
	}
	read(t, "dashboard.json", func(b []byte) error { return json.Unmarshal(b, &dashboard) })
	queries, used := 0, ""
	for _, p := range dashboard.Panels {
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %q is a %s with %d queries", p.Title, p.Type, len(p.Targets))
		}
		for _, target := range p.Targets {
			queries++
			used += target.Expr
			for _, problem := range check(target.Expr, known) {
				t.Errorf("panel %q: %s: %s", p.Title, target.Expr, problem)
			}
			for _, label := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !strings.Contains(target.Expr, label[1]) && label[1] != "instance" {
					t.Errorf("panel %q: the legend has %s, the query has not", p.Title, label[1])
				}
			}
		}
	}
	for _, v := range dashboard.Templating.List {
		if arguments, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			name, label, _ := strings.Cut(strings.TrimSuffix(arguments, ")"), ", ")
			if !slices.Contains(known[name], label) {
				t.Errorf("variable %s: there is no such label", v.Definition)
			}
		}
	}
	// What is counted is to be seen.
	for name := range known {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "provisor_") && !strings.Contains(used, base) {
			t.Errorf("no panel shows %s", name)
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	read(t, "alerts.yaml", func(b []byte) error { return yaml.Unmarshal(b, &rules) })
	alerts := 0
	for _, g := range rules.Groups {
		for _, rule := range g.Rules {
			alerts++
			for _, problem := range check(rule.Expr, known) {
				t.Errorf("alert %s: %s", rule.Alert, problem)
			}
			if s := rule.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("alert %s has the severity %q", rule.Alert, s)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" {
				t.Errorf("alert %s does not say what it means and what to do", rule.Alert)
			}
		}
	}
	if queries < 20 || alerts < 8 {
		t.Errorf("%d queries and %d alerts were found: that can't be all", queries, alerts)
	}
}

func read(t *testing.T, name string, parse func([]byte) error) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "operate", name))
	if err == nil {
		err = parse(b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The check itself finds what is wrong.
func TestCheck(t *testing.T) {
	known := exported(t)
	for query, want := range map[string]string{
		`provisor_sessions_open`: "",
		`sum by (tenant) (rate(provisor_sessions_total[$__rate_interval]))`: "",
		`provisor_sessions_opened`:               "no metric provisor_sessions_opened",
		`provisor_instances{tenant="x"}`:         "no label tenant",
		`sum by (kind) (provisor_sessions_open)`: "label kind",
		`sum(`:                                   "",
	} {
		problems := strings.Join(check(query, known), "; ")
		if want == "" && query != "sum(" && problems != "" || !strings.Contains(problems, want) || query == "sum(" && problems == "" {
			t.Errorf("%s: got %q, want %q", query, problems, want)
		}
	}
}
