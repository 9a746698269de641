"""First-motion polarity of P waves: up, down or not readable."""
