"""Chart components shared by the console and the reports: pure functions from records to SVG text."""
