"""Pagereel: records web pages through Agora Cloud Recording and proves that the recordings exist."""
