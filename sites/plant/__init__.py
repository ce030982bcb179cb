"""Equipment physics: pure scalar step functions over named tuples, with nothing but ``math``."""
