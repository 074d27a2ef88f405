"""Evidence of recordings: files, reports, manifests, playback, support bundles."""
