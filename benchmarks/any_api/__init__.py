"""Servers that other people wrote, as sources nobody described."""
