"""IsaacLab behind `SimBackend`: a client in this environment, a worker in IsaacLab's own."""
