"""The recorder of real pages: Chromium on its own display, with picture and sound encoded by PyAV."""
