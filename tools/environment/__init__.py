"""What `make setup` does, with nothing but the standard library of the system's Python."""
