"""The rules of the lifecycle, one module for each source of observations. Pure."""
