"""What each stage does, as actions that playbook steps name: from inputs to tables."""
