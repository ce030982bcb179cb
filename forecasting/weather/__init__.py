"""Weather sources behind one port, and their way onto the intervals that a site needs."""
