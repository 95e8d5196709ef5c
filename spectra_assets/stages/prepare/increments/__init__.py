"""Whether an entity can be asked for what changed since the last time."""
