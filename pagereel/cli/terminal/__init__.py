"""Shared parts of commands: options, parameter types, output, progress, examples."""
