"""Why a well-formed value is not used now."""

from gear_vla_ros.contracts import ContractError


class Refused(ContractError):
    """A chunk that breaks no contract of its own but does not fit the present; `cause` is the counter's name."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(f"{cause}: {message}")
        self.cause = cause
