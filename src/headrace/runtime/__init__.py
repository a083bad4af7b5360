"""Where workers run: an interface, and processes on this machine."""
