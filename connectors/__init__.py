"""The outside world of the hub: brokers, buses, codecs and ways out; never sees the database."""
