"""The console in a browser: reads the store, never writes, and can die without the control loop noticing."""
