"""Side-by-side measurements: the hub against a bare loop of the same libraries, in the same run."""
