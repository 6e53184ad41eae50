r"""Reading 1.81 million ratings in the Jester layout: palate beside pandas.

    python benchmarks/reading.py [jester-data-1.csv]

The wide spreadsheet is written out as `user \t\t item \t\t rating` first. Each reading happens in a process of its own,
as it does in a command, with everything imported and compiled before the clock starts; the two take turns. pandas reads
the file with its C parser and only the three columns, then factorizes both columns of ids; palate also looks for ratings
that are no numbers and for pairs that are rated twice.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DEFAULT = (
    Path(os.environ.get("PALATE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "jester1/jester-data-1.csv"
)
TURNS = 5


def write_long(wide: Path, path: Path) -> None:
    """Write the ratings of a wide file in the layout of `jester_ratings.dat`."""
    from palate.reading import read_table

    frame = read_table(wide).frame
    with path.open("w") as file:
        file.writelines(f"{user}\t\t{item}\t\t{rating:.3f}\n" for user, item, rating in frame.iter_rows())


def read_with_palate(path: Path) -> None:
    """Read with palate."""
    from palate.reading import read_ratings

    read_ratings(path)


def read_with_pandas(path: Path) -> None:
    """Read with pandas, the quickest way that was found."""
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", header=None, usecols=[0, 2, 4], engine="c")
    for column in (0, 2):
        pd.factorize(frame[column])


READERS: dict[str, Callable[[Path], None]] = {"palate": read_with_palate, "pandas": read_with_pandas}


def measure(reader: str, path: Path, small: Path) -> tuple[float, float]:
    """Return seconds of wall clock and of processor time that one reading takes in a new process."""
    command = [sys.executable, __file__, reader, str(path), str(small)]
    wall, cpu = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(wall), float(cpu)


def measured(reader: str, path: Path, small: Path) -> None:
    """Read a small file to import and compile everything, then the file with the clock running."""
    READERS[reader](small)
    wall, cpu = time.perf_counter(), time.process_time()
    READERS[reader](path)
    print(time.perf_counter() - wall, time.process_time() - cpu)


def main(wide: Path) -> None:
    """Print a table of medians."""
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder, "ratings.dat"), Path(folder, "small.dat")
        write_long(wide, path)
        with path.open() as file:
            # Large enough to be read by the kernels.
            small.write_text("".join(line for line, _ in zip(file, range(1_000_000), strict=False)))
        for reader in READERS:
            measure(reader, path, small)
        turns: dict[str, list[tuple[float, float]]] = {reader: [] for reader in READERS}
        for _ in range(TURNS):
            for reader, times in turns.items():
                times.append(measure(reader, path, small))
    print(f"{'':8}{'median ms':>12}{'least ms':>12}{'processor ms':>14}")
    for reader, times in turns.items():
        wall, cpu = zip(*times, strict=True)
        print(
            f"{reader:8}{1e3 * statistics.median(wall):12.1f}{1e3 * min(wall):12.1f}{1e3 * statistics.median(cpu):14.1f}"
        )
    medians = [statistics.median(wall for wall, _ in turns[reader]) for reader in ("pandas", "palate")]
    print(f"pandas / palate: {medians[0] / medians[1]:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measured(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
