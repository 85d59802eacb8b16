"""Finding menus and experiment profiles: by file, or by the name of one that ships with ktrig."""

from importlib.resources import files
from pathlib import Path

from trigger.menu import Menu

from trigger.errors import KtrigError
from trigger.experiment import Experiment


class CatalogueError(KtrigError):
    """A menu or profile that is not there or cannot be read."""


def names(kind: str) -> list[str]:
    """Names of what ships with ktrig; `kind` is 'menus' or 'experiments'."""
    folder = files("trigger") / kind
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def _text(kind: str, wanted: str) -> tuple[str, str]:
    """Return (text, source) of the file `wanted`, or of the shipped one with that name."""
    if wanted in names(kind):
        source = f"{kind}/{wanted}.toml"
        return (files("trigger") / kind / f"{wanted}.toml").read_text(encoding="utf-8"), source
    try:
        return Path(wanted).read_text(encoding="utf-8"), wanted
    except OSError as wrong:
        known = ", ".join(names(kind))
        raise CatalogueError(
            f"{wanted}: {wrong.strerror}; give a .toml file or one of {kind}: {known}"
        ) from None
    except UnicodeDecodeError:
        raise CatalogueError(f"{wanted}: not a text file; give a .toml file") from None


def load_experiment(wanted: str) -> Experiment:
    """Load an experiment profile by name or path."""
    return Experiment.from_toml(*_text("experiments", wanted))


def load_menu(wanted: str) -> tuple[Menu, Experiment]:
    """Load a menu by name or path, and the experiment it is for; the conditions are checked against it."""
    text, source = _text("menus", wanted)
    menu = Menu.from_toml(text, source)
    experiment = load_experiment(menu.experiment)
    menu.check(experiment, text, source)
    return menu, experiment
