"""Clean: raw records as typed flat tables."""
