"""Doubles that misbehave on purpose, shipped so that components and platforms can be tested with them."""
