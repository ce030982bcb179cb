"""Stand-ins for what switches hosts."""
