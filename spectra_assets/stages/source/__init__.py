"""Source: the credential, the catalogue, what each endpoint answers."""
