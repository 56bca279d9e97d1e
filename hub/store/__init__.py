"""The database: sessions, portable column types, tables and migrations."""
