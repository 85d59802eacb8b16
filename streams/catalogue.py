"""Finding menus and experiment profiles: by file, or by the name of one that ships with ktrig."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from streams.regular import not_regular
from trigger.errors import KtrigError
from trigger.experiment import Experiment
from trigger.menu import Menu, MenuError
from trigger.toml_source import place

MAX_BYTES: Final = 1 << 20
"""A longer file is no menu or profile; those that ship have some kilobytes."""


class CatalogueError(KtrigError):
    """A menu or profile that is not there or cannot be read."""


def names(kind: str) -> list[str]:
    """Names of what ships with ktrig; `kind` is 'menus' or 'experiments'."""
    folder = files("trigger") / kind
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def _text(kind: str, wanted: str) -> tuple[str, str]:
    """Return (text, source) of the file `wanted`, or of the shipped one with that name."""
    known = names(kind)
    if wanted in known:
        shipped = files("trigger") / kind / f"{wanted}.toml"
        return shipped.read_text(encoding="utf-8"), f"{kind}/{wanted}.toml"
    remedy = f"give a .toml file or one of {kind}: {', '.join(known)}"
    one = kind.removesuffix("s")
    if not wanted:
        raise CatalogueError(f"the name of the {one} is empty; {remedy}")
    try:
        return _file_text(Path(wanted), remedy), wanted
    except FileNotFoundError:
        raise CatalogueError(
            f"{wanted}: no {one} of this name ships with ktrig and there is no such file; {remedy}"
        ) from None
    except OSError as wrong:
        raise CatalogueError(f"{wanted}: {wrong.strerror}; {remedy}") from None
    except UnicodeDecodeError:
        raise CatalogueError(f"{wanted}: not a text file; give a .toml file") from None


def _file_text(path: Path, remedy: str) -> str:
    if what := not_regular(path):
        raise CatalogueError(f"{path}: is {what}; {remedy}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CatalogueError(f"{path}: has {size} bytes, more than the {MAX_BYTES} (1 MiB) allowed; {remedy}")
    return path.read_text(encoding="utf-8-sig")


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
    experiment = load_experiment(menu.experiment if profile is None else profile)
    menu.check(experiment, text, source)
    return menu, experiment
