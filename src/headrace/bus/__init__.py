"""NATS JetStream as Headrace uses it: subjects, journal, buckets, control requests, the embedded server."""
