"""HLS playlists: syntax, Agora's dialect, and one playlist over all parts."""
