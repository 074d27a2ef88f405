"""The program: command line, construction, listeners, logs."""
