"""A stock Llama made smaller: which units stay, and a plain model of them (DRAMA 3.2)."""
