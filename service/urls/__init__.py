"""URLs that others name: which are allowed, what they resolve to, and a first visit."""
