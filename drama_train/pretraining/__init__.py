"""Next-token training on packed text: what recovers a pruned model (DRAMA 3.2)."""
