"""The data path: inbox, engine (one step is one transaction), apply, timers, feed and problems."""
