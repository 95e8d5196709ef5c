"""How lists page, measured by fetching."""
