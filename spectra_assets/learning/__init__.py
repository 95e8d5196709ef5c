"""From failed gates to lessons."""
