"""URLs from callers and settings: the allowed ones, their checked addresses, and a preflight."""
