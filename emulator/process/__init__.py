"""The emulator's process: clock, background tasks, child processes, working folder, TLS."""
