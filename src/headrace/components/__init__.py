"""Integration code: its descriptor, the git repository it comes in, and the build that makes it run."""
