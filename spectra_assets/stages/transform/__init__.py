"""Transform: dimensions with their history, facts, bridges, the calendar."""
