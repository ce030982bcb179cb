"""Serving: a gateway with admission in front of OpenAI-compatible servers, and a desk that brings them into a mode."""
