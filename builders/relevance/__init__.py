"""What an LLM prefers among the candidates of a query: how it is asked, what it answered, how far it can be trusted."""
