"""Draw docs/replay.svg, the picture in the README: what `ktrig replay` prints, from a spill made for it.

Run it from the root of the project: .venv/bin/python docs/draw_replay.py
"""

import io
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from streams.catalogue import load_experiment
from streams.cli.report_text import render
from streams.replay import make_request
from streams.simulate.settings import SimulationSettings
from streams.simulate.write import write_spill
from streams.stages.local import replay_processes
from streams.stages.request import Watcher

TARGET = Path(__file__).with_name("replay.svg")
COLUMNS = 80

# rich's own frame without its reference to a font on the web.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> None:
    """Simulate a nominal spill, replay it, and keep the picture of the report."""
    with tempfile.TemporaryDirectory() as folder:
        spill = Path(folder) / "spill.h5"
        settings = SimulationSettings(intensity_mhz=750, duration_s=1.0, seed=1)
        write_spill(spill, settings, load_experiment("na62"), run=0, burst=0, workers=2)
        report = replay_processes(make_request([spill], "na62-2018", None), Watcher())
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        console.print(Text("$ ktrig replay --spill spill.h5", style="bold"))
        render(report, console)
    svg = console.export_svg(title="ktrig", code_format=FRAME, unique_id="ktrig")
    TARGET.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
