"""Uploads into buckets: S3 and Azure."""
