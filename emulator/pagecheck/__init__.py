"""Judges a page by what Agora's recorder asks of it (agora-reference §11), in a real browser.

`visit` opens the page and measures (with `watch.js` inside it), `seen` holds the measures, `rules` judges them.
"""
