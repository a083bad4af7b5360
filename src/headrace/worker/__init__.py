"""The data plane: the process that runs one deployment's steps. Imports bus, flows, sandbox, errors and ids only."""
