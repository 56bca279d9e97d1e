"""The HTTP API and the console: one router per noun, authentication, problem details."""
