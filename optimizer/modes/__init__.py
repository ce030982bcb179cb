"""Serving modes: the menu of ways to serve a service, and the advisor that ranks them."""
