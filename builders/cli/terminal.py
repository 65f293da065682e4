"""Text that others wrote, on a terminal."""


def safe(text: str) -> str:
    """The text with control characters escaped: a terminal obeys them."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
