"""MPEG-TS slices: packets, tables, coded units, and the contents of one slice."""
