"""What a round costs: this system, the bare gRPC limit and TFF's stock runtime, measured side by side."""
