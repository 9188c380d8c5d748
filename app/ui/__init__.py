"""What the pages share: access to the engine, state in the URL, guards, text that is safe to show, and small widgets."""
