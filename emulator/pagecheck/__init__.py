"""The check of a page against the requirements of Agora's recorder (agora-reference §11), in a real browser.

`visit` opens the page and measures it with `watch.js`, `seen` contains the measurements, and `rules` evaluates them.
"""
