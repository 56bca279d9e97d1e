"""Pure decisions, one file per rule: event, state, facts and now become a new state and decisions."""
