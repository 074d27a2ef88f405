"""What the commands share: options, types of values, output, progress, examples."""
