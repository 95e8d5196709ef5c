"""Which route gives an entity's records, and on which parent it hangs, proven by data."""
