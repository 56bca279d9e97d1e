"""The console: server-rendered pages, plain ES modules, one catalogue of texts per language; no build step."""
