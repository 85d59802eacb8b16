"""A small menu with L1 as text, to be changed in one place; the chains of the shipped ones."""

from __future__ import annotations

import re

from streams.catalogue import load_experiment
from trigger.menu import Menu

NA62 = load_experiment("na62")

TEXT = """\
name = "small"
experiment = "na62"

[l0]
reference = "RICH"
fine_time_bits = 2
time_cut_lsb = 64

[l1]
straw = "refit"

[[line]]
name = "PNN"
condition = "RICH & Q1"
downscaling = 1
l1 = ["KTAG"]

[[line]]
name = "all"
condition = "RICH"
downscaling = 1
"""

L1_LINE, STEPS_LINE = 10, 16
"""Lines of the text on which a setting of L1 and the first line's algorithms are."""

CHAINS = {
    "PNN": ["KTAG", "!LAV", "STRAW(pnn)"],
    "Non-mu": ["KTAG", "!LAV", "STRAW(one-track)"],
    "MT": ["KTAG", "STRAW(exotic)"],
    "2muMT": ["KTAG", "STRAW(exotic)"],
    "eMT": ["KTAG", "STRAW(exotic)"],
    "mueMT": ["KTAG", "STRAW(exotic)"],
    "DV-mu": ["STRAW(dv-loose)"],
    "DV-2mu": ["STRAW(dv-loose)"],
    "MinBias": [],
}


def with_steps(steps: str) -> str:
    return TEXT.replace('["KTAG"]', steps)


def with_settings(settings: str) -> str:
    return TEXT.replace('straw = "refit"', settings)


def made(text: str) -> Menu:
    menu = Menu.from_toml(text, "menus/x.toml")
    menu.check(NA62, text, "menus/x.toml")
    return menu


def without_l1(text: str) -> str:
    """Remove the table [l1], not what the lines say."""
    return re.sub(r"\[l1\]\n(?:[a-z_]+ = .*\n)+", "", text)
