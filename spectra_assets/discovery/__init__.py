"""What an API offers, found out from its address, a credential and perhaps a description: hypotheses with evidence, as a pack."""
