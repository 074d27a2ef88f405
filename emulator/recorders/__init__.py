"""Recorders, which convert the frames of a page to files in the bucket."""
