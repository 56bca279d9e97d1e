"""Ways out to people: one notifier per channel, which alone knows whether a retry makes sense."""
