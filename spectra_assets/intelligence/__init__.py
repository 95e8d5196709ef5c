"""What is known about a source: endpoints, auth, entities, quirks, each with its evidence. Packs are data in `packs/`."""
