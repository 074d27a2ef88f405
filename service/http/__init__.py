"""Helpers for all outgoing HTTP calls: header values, reasons for failures, the debug line."""
