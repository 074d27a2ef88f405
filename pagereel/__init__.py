"""The program: command line, wiring, listeners, logs."""
