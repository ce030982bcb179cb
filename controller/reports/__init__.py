"""What a person reads: charts and reports made from records."""
