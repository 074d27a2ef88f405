"""The recorder of real pages. Chromium runs on its own display, and PyAV encodes picture and audio."""
