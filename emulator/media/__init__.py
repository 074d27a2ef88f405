"""Media: encoding, the test pattern, playlists, file names."""
