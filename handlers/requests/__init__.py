"""Requests: bodies, queries and headers as typed values, or errors that name the field."""
