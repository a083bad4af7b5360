"""Headrace: a self-hosted, real-time integration platform."""

__version__ = "0.1.0"
