"""Prompts, requests, replies, and three engines behind one function: generate(requests) -> replies."""
