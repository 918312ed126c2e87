"""The benchmark of the engine runs on small cases and gives its whole table."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]


def test_table_of_the_engine(tmp_path):
    """Times are positive and in order; a pass is cheaper than an event with all ions; families have slopes."""
    output = tmp_path / "results" / "engine.csv"
    call = [sys.executable, "-m", "tests.benchmarks.engine", "--quick", "--output", str(output)]
    done = subprocess.run(call, cwd=ROOT, env=os.environ | {"PYTHONWARNINGS": "error"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(output)
    assert all(name in done.stdout for name in [*table.columns, *table["case"]])
    small, median, large = (table[f"events/s {name}"] for name in ("min", "median", "max"))
    assert ((small > 0) & (small <= median) & (median <= large)).all()
    assert (table["rounds"] >= 5).all()
    assert ((table["ions"] > 0) & (table["ions"] < table["sites"])).all()
    families = table.groupby("case")
    assert {len(sizes) for name, sizes in families if "Coulomb" not in name and "clipped" not in name} == {5}
    assert all(math.isfinite(sizes["exponent"].iloc[0]) == (len(sizes) >= 5) for _, sizes in families)
    coulomb = table["case"].str.startswith("Ni-MOF")
    assert (table["ratio"][coulomb] > 1).all()
    # energies and both factors; where there are many ions, the changes by hops too
    assert table["tables"][coulomb].between(3, 4).all()
    assert table["tables"][~coulomb].isna().all()
    assert (table["B/(site+ion)"] > 50).all()
    clipped = table[table["case"] == "Ni-MOF, barriers clipped"]
    assert (clipped["clipped share"].between(0.1, 1.0)).all()
    assert clipped["clipped cost"].notna().all()
