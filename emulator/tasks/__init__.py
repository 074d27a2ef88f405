"""Recording tasks: their state, events, responses, and the loading of their pages."""
