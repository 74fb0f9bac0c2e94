// Package proto holds the two protocol definitions: provisioner.proto, between client and host, and guest.proto, between
// host and plugin. The generated messages are in provisionerpb and guestpb. There is no gRPC code here, so that plugins
// that import the messages stay small.
package proto

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate
