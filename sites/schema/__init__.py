"""The site file: one pydantic model a section, a line of prose under each field."""
