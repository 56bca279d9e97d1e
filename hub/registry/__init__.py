"""Sites, buildings, units, households, people, duty rosters and devices, with their import and export."""
