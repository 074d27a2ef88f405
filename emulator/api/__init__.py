"""HTTP: Agora's routes, the gateway in front of them, and the control API."""
