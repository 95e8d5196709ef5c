"""The canon: every field with its type, name, key, reference and evidence, from samples."""
