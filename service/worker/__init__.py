"""The worker: claims due steps, executes them, and records what came of them."""
