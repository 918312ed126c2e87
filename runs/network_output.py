"""The files of `mofkmc network`: for this program, for viewers of crystals, for spreadsheets, and to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.network_files import write_network_cif, write_network_xyz
from analysis.network_page import write_network_page
from lattice.builder import ion_landscape
from lattice.cube import write_cube
from lattice.network import PoreNetwork
from lattice.screening import describe
from runs.faults import writing
from runs.folder import ResultsFolder, cube_name
from runs.network_frames import hop_frame, site_frame, species_frame
from runs.network_source import NetworkSource
from structures.files import whole_file
from structures.framework import Framework


@dataclass(frozen=True, eq=False, slots=True)
class NetworkResult:
    """What one call of `mofkmc network` has found.

    Attributes
    ----------
    source : NetworkSource
    framework : Framework or None
    network : PoreNetwork
    energies : Mapping of str to (n1, n2, n3) float64, eV
        Landscapes computed on the way, by ion; none where the network came from the cache.
    """

    source: NetworkSource
    framework: Framework | None
    network: PoreNetwork
    energies: Mapping[str, NDArray[np.float64]]


def write_network_files(
    result: NetworkResult,
    folder: ResultsFolder,
    *,
    temperature: float,
    remarks: Iterable[str],
    progress: Callable[[str, float], None],
) -> list[str]:
    """Write the network in all its forms, each file whole or not at all; return their names.

    Parameters
    ----------
    result : NetworkResult
    folder : ResultsFolder
        Made, or emptied of what an earlier call wrote.
    temperature : float, K
        Of the prefactors in the tables.
    remarks : iterable of str
        Choices and steps, for remarks.txt.
    progress : callable (what, fraction done)
    """
    from analysis.plots import save_network  # takes two seconds

    folder.claim(None)
    network = result.network
    written = []
    with writing(folder.path):
        progress("network.h5", 0.0)
        network.save(folder.network)
        for name, write in (("network.cif", write_network_cif), ("network.xyz", write_network_xyz)):
            write(network, folder.path / name)
        progress("network.html", 0.1)
        write_network_page(network, folder.path / "network.html")
        save_network(network, folder.path / "network.png")
        written += [folder.network.name, "network.cif", "network.xyz", "network.html", "network.png"]
        frames = (
            ("percolation.csv", species_frame(network)),
            ("sites.csv", site_frame(network, temperature)),
            ("hops.csv", hop_frame(network, temperature)),
        )
        for name, frame in frames:
            with whole_file(folder.path / name) as unfinished:
                frame.to_csv(unfinished, index=False)
            written.append(name)
        folder.write_remarks(remarks)
        written.append(folder.remarks.name)
        written += write_landscapes(result, folder, progress)
    progress("done", 1.0)
    return written


def write_landscapes(result: NetworkResult, folder: ResultsFolder, progress: Callable[[str, float], None]) -> list[str]:
    """Write the landscape of every ion whose energies are computed."""
    source, framework = result.source, result.framework
    if framework is None or source.sites is not None:
        return []
    computed = [ion for ion in source.species if ion.name not in source.cubes]
    for n, ion in enumerate(computed):
        progress(cube_name(ion.name), 0.3 + 0.7 * n / len(computed))
        energy = result.energies.get(ion.name)
        if energy is None:
            energy = ion_landscape(framework, ion, source.settings).energy
        comment = f"{ion.name} in {framework.name}, eps_r {describe(source.settings.permittivity)}"
        write_cube(folder.path / cube_name(ion.name), framework, energy, comment)
    return [cube_name(ion.name) for ion in computed]
