"""Messages of V2Ray's and Xray's gRPC API: ``core.proto`` and what protoc made of it (``nox -s proto``)."""
