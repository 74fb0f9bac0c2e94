package daemon

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/provisor/provisor/host"
)

// Health says of each layer of the jail what the runtime says of it.
func TestHealthOfTheJail(t *testing.T) {
	r := start(t, twoTenants(""))
	conn, err := grpc.NewClient(r.Addresses()[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer alpha")
	list, err := grpc_health_v1.NewHealthClient(conn).List(ctx, &grpc_health_v1.HealthListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	report := r.Runtime().Jail()
	if len(report) != len(host.JailLayers()) {
		t.Fatalf("got %+v", report)
	}
	for _, s := range report {
		want := grpc_health_v1.HealthCheckResponse_NOT_SERVING
		if s.State == "enforced" {
			want = grpc_health_v1.HealthCheckResponse_SERVING
		}
		if got := list.Statuses["provisor.jail."+string(s.Layer)].GetStatus(); got != want {
			t.Errorf("%s is %s, and health says %s", s.Layer, s.State, got)
		}
	}
}

func TestJailHealth(t *testing.T) {
	for name, tt := range map[string]struct {
		report    []host.JailStatus
		jail, ipc bool
	}{
		"all":      {[]host.JailStatus{{Layer: "ipc", State: "enforced"}, {Layer: "root", State: "enforced"}}, true, true},
		"disabled": {[]host.JailStatus{{Layer: "ipc", State: "disabled"}, {Layer: "root", State: "enforced"}}, true, false},
		"partial":  {[]host.JailStatus{{Layer: "ipc", State: "partial"}, {Layer: "root", State: "enforced"}}, false, false},
		"missing":  {[]host.JailStatus{{Layer: "ipc", State: "enforced"}, {Layer: "root", State: "missing"}}, false, true},
	} {
		got := host.JailHealth(tt.report)
		if got["provisor.jail"] != tt.jail || got["provisor.jail.ipc"] != tt.ipc {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
