"""Photovoltaic power from weather: the pvlib chain, array by array."""
