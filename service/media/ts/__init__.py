"""MPEG-TS slices: packets, tables, coded units, and what one slice holds."""
