"""The worker, which claims due steps, executes them and records the results."""
