"""What the hub remembers of meters: readings, their roll-ups and retention."""
