"""Finding menus and experiment profiles: by file, or by the name of one that ships with ktrig."""

from importlib.resources import files
from pathlib import Path

from trigger.errors import KtrigError
from trigger.experiment import Experiment
from trigger.menu import Menu, MenuError
from trigger.toml_source import place


class CatalogueError(KtrigError):
    """A menu or profile that is not there or cannot be read."""


def names(kind: str) -> list[str]:
    """Names of what ships with ktrig; `kind` is 'menus' or 'experiments'."""
    folder = files("trigger") / kind
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def _text(kind: str, wanted: str) -> tuple[str, str]:
    """Return (text, source) of the file `wanted`, or of the shipped one with that name."""
    known = names(kind)
    try:
        if wanted in known:
            shipped = files("trigger") / kind / f"{wanted}.toml"
            return shipped.read_text(encoding="utf-8"), f"{kind}/{wanted}.toml"
        return Path(wanted).read_text(encoding="utf-8-sig"), wanted
    except OSError as wrong:
        raise CatalogueError(
            f"{wanted}: {wrong.strerror}; give a .toml file or one of {kind}: {', '.join(known)}"
        ) from None
    except UnicodeDecodeError:
        raise CatalogueError(f"{wanted}: not a text file; give a .toml file") from None


def load_experiment(wanted: str) -> Experiment:
    """Load an experiment profile by name or path."""
    return Experiment.from_toml(*_text("experiments", wanted))


def load_menu(wanted: str, profile: str | None = None) -> tuple[Menu, Experiment]:
    """Load a menu by name or path, and the experiment it is for; the conditions are checked against it.

    profile: name or path of the experiment to use; by default the shipped one that the menu names. A menu
    for another experiment is a MenuError.
    """
    text, source = _text("menus", wanted)
    menu = Menu.from_toml(text, source)
    known = names("experiments")
    if profile is None and menu.experiment not in known:
        where = place(text, source, ("experiment",))
        raise MenuError(
            f"{where}: no experiment of this name ships with ktrig, known are {', '.join(known)}; "
            f"give a profile of your own with --experiment (is {menu.experiment!r})"
        )
    experiment = load_experiment(profile or menu.experiment)
    menu.check(experiment, text, source)
    return menu, experiment
