"""Gates: rules judged on a table before it is published."""
