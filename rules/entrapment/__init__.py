"""People trapped in an elevator: the occupancy latch, signals, the decision table, and the rule that ties them together."""
