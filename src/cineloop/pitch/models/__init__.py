"""The models of this wing, one algorithm a file."""
