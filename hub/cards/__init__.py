"""What the hub remembers of access cards: ledger, fees, desired and reported permissions."""
