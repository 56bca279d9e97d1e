"""Door controllers that the hub talks to itself, and the commands of those that hang on the broker."""
