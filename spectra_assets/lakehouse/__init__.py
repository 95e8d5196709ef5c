"""Tables of a source's lakehouse: Delta storage, staging before gates, quarantine, types, and the relational engine."""
