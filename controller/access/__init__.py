"""Who may do what: roles, tokens, and the rules of asking. Pure; the store keeps digests in ``controller.records``."""
