"""The covenant: what one pipeline promises, as data. `model` says its form, `generate` makes it, `diff` compares two."""
