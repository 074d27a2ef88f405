"""HLS playlists: syntax, Agora's dialect, and one playlist for all parts."""
