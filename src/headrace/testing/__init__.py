"""Parts for tests and benchmarks that ship with Headrace: a data plane without a server, doubles, contract suites."""
