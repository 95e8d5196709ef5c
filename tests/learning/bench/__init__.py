"""The gap bench: APIs that change under a healthy pipeline, what is true of them then, and what the learning loop makes of it."""
