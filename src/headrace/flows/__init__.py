"""What a flow is: documents, lint, mappings, and the compiled form a worker runs. Pure: no I/O."""
