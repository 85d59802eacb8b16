"""The ledger: what came in, and where it went. in + gained = out + merged + rejected + downscaled + lost(reason)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trigger.errors import KtrigError
from trigger.menu import Menu


class LedgerError(KtrigError):
    """A sum that does not close: a fault of ktrig."""


@dataclass(frozen=True)
class Account:
    """One sum. `came` and `out` are counted at different places, so a sum that closes says something.

    merged: what went on as part of something else that is counted. gained: what the emulated trigger adds to what
    came, as a trigger whose veto was overwritten.
    """

    came: int
    out: int
    merged: int = 0
    rejected: int = 0
    downscaled: int = 0
    gained: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def balance(self) -> int:
        """What came and was gained, less what is accounted for; 0 if the sum closes."""
        gone = self.out + self.merged + self.rejected + self.downscaled + sum(self.lost.values())
        return self.came + self.gained - gone

    @property
    def closed(self) -> bool:
        """Whether the sum closes."""
        return self.balance == 0

    def __add__(self, other: Account) -> Account:
        reasons = [*self.lost, *(reason for reason in other.lost if reason not in self.lost)]
        return Account(
            self.came + other.came,
            self.out + other.out,
            self.merged + other.merged,
            self.rejected + other.rejected,
            self.downscaled + other.downscaled,
            self.gained + other.gained,
            {reason: self.lost.get(reason, 0) + other.lost.get(reason, 0) for reason in reasons},
        )

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Account:
        """Read an account of a report back."""
        numbers = {name: n for name, n in content.items() if name not in ("in", "closed")}
        return cls(came=content["in"], **numbers)

    def as_dict(self) -> dict[str, Any]:
        """Return the account for a report."""
        content = asdict(self)
        return {"in": content.pop("came"), **content, "closed": self.closed}


def assert_closed(accounts: Mapping[str, Account]) -> None:
    """Raise LedgerError that names the first account whose sum does not close."""
    for name, account in accounts.items():
        if not account.closed:
            raise LedgerError(
                f"the ledger of {name} does not close: {account.balance} are missing of {account.as_dict()}; report "
                "this as a fault of ktrig"
            )


def entry_detectors(menu: Menu) -> list[str]:
    """Detectors whose words can become entries; one that is reference and control is there twice, as its words."""
    return [menu.l0.reference, *([menu.control.detector] if menu.control else [])]
