"""The one exception that a user's mistake raises."""


class UserError(Exception):
    """One sentence for the user: what, which value, where, and what to do next. Printed without a traceback.

    `exit_code` is 1 where data or checks failed, 2 where the command was used wrongly.
    """

    def __init__(self, sentence: str, *, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
