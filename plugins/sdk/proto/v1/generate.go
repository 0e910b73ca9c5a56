// Package adapterv1 is the generated code of adapter.proto: how the contract of
// package sdk crosses the process boundary in protocol version 1.
//
// Generating it needs protoc, protoc-gen-go and protoc-gen-go-grpc on the path;
// the headers of the generated files name the versions.
package adapterv1

//go:generate protoc --proto_path=../../../.. --go_out=../../../.. --go_opt=paths=source_relative --go-grpc_out=../../../.. --go-grpc_opt=paths=source_relative plugins/sdk/proto/v1/adapter.proto
