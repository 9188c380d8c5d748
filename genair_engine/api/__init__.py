"""The HTTP API: verbs that answer at once, for other programs. Mounted beside the app, or a server of its own."""
