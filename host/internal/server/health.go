package server

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/provisor/provisor/host/internal/server/raw"
)

// public are the services whose health anybody may ask for: the server's as a whole, and that of sessions.
var public = []string{"", raw.Service}

// doorHealth is the server's health as it is told at a listener: of what is not public, to those alone who could open a session there.
type doorHealth struct {
	*health.Server
	server   *Server
	listener *listener
}

// Check implements grpc_health_v1.HealthServer.
func (h doorHealth) Check(ctx context.Context, req *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if err := h.mayKnow(ctx, req.GetService()); err != nil {
		return nil, err
	}
	return h.Server.Check(ctx, req)
}

// Watch implements grpc_health_v1.HealthServer.
func (h doorHealth) Watch(req *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := h.mayKnow(stream.Context(), req.GetService()); err != nil {
		return err
	}
	return h.Server.Watch(req, stream)
}

// List implements grpc_health_v1.HealthServer.
func (h doorHealth) List(ctx context.Context, req *grpc_health_v1.HealthListRequest) (*grpc_health_v1.HealthListResponse, error) {
	list, err := h.Server.List(ctx, req)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(list.Statuses, func(service string, _ *grpc_health_v1.HealthCheckResponse) bool {
		return h.mayKnow(ctx, service) != nil
	})
	return list, nil
}

func (h doorHealth) mayKnow(ctx context.Context, service string) error {
	if slices.Contains(public, service) {
		return nil
	}
	_, err := h.server.identify(ctx, h.listener)
	return err
}

// setHealth says how the services are.
func (s *Server) setHealth(serving map[string]bool) {
	for service, ok := range serving {
		status := grpc_health_v1.HealthCheckResponse_NOT_SERVING
		if ok {
			status = grpc_health_v1.HealthCheckResponse_SERVING
		}
		s.health.SetServingStatus(service, status)
	}
}
