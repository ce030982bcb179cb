"""What to build: compiled year kernels over the plant's own functions, economics, search, reliability."""
