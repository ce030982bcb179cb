"""What will come: weather, available PV, demand, and how wrong they may be."""
