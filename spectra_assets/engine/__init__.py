"""The solution engine: the command line and Discover to Finalise."""
