"""The mdc command line: one module a command."""
