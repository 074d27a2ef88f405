"""Recording a page for real: Chromium on a display of its own, its picture and sound encoded by PyAV."""
