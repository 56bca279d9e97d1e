"""The outside of the hub over HTTP: one router per noun, the console, and who may see what."""
