"""One algorithm a file, each readable on its own."""
