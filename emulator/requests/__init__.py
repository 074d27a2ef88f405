"""Requests to Agora: parsing, error codes, limits, quirks. Pure."""
