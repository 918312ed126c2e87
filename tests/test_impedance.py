"""Impedance of a slab, and the resistance read back from its Nyquist plot."""

import numpy as np
import pytest
from gaussian_paths import displacements, gaussian_path

from analysis.impedance import F_PER_CM, Cell, bulk_resistance, impedance
from analysis.spectra import conductivity_spectrum
from analysis.statistics import Interval, NotConverged
from structures.errors import InputError

FREE = Cell(thickness_cm=0.02, area_cm2=0.785, eps_inf=10.0)
CELLS = [
    FREE,
    Cell(thickness_cm=0.02, area_cm2=0.785, eps_inf=10.0, capacitance_F_per_cm2=1e-5),
    Cell(thickness_cm=0.02, area_cm2=0.785, eps_inf=10.0, capacitance_F_per_cm2=1e-5, exponent=0.8),
    Cell(thickness_cm=0.005, area_cm2=2.0, eps_inf=40.0, capacitance_F_per_cm2=1e-6, exponent=0.9),
]


class Debye:
    """sigma_0 + g iω / (λ + iω), S/cm."""

    label = ""

    def __init__(self, at_zero, gain=0.0, rate=1.0, resolved=(1e5, 1e15)):
        self.at_zero, self.gain, self.rate, self.resolved = at_zero, gain, rate, resolved
        self.dc = Interval(at_zero, np.nan, np.nan)

    def at(self, frequency):
        iw = 2j * np.pi * np.asarray(frequency)
        return self.at_zero + self.gain * iw / (self.rate + iw)

    def drawn_at(self, frequency):
        return np.zeros((0, len(frequency)))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sigma", [3e-7, 2e-3])
def test_resistance_read_back(cell, sigma):
    """sigma = l / (R S) within 1 %, whatever the electrodes are."""
    found = impedance(Debye(sigma), cell)
    assert found.sigma == pytest.approx(sigma, rel=0.01)
    assert found.R_bulk == pytest.approx(cell.thickness_cm / (sigma * cell.area_cm2), rel=0.01)


@pytest.mark.parametrize("cell", CELLS)
def test_resistance_with_relaxations_of_the_ions(cell):
    """sigma that grows fivefold above 30 MHz, below the arc of the bulk, does not move the resistance."""
    found = impedance(Debye(1e-3, 4e-3, 2 * np.pi * 3e7), cell)
    assert found.sigma == pytest.approx(1e-3, rel=0.01)


def test_impedance_of_constant_conductivity_is_a_half_circle():
    """R parallel to C: |Z - R/2| = R/2, top at ω R C = 1, Z = R / (1 + iω R C)."""
    sigma = 1e-4
    R = FREE.thickness_cm / (sigma * FREE.area_cm2)
    C = F_PER_CM * FREE.eps_inf * FREE.area_cm2 / FREE.thickness_cm
    found = impedance(Debye(sigma), FREE)
    np.testing.assert_allclose(found.Z, R / (1 + 2j * np.pi * found.frequency * R * C), rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.Z - R / 2), R / 2, rtol=1e-12)
    top = found.frequency[np.argmax(-found.Z.imag)]
    assert top == pytest.approx(1 / (2 * np.pi * R * C), rel=0.07)


def test_resistance_of_a_noisy_measurement():
    """One per cent of noise on every point, random order, as an instrument may give it."""
    rng = np.random.default_rng(3)
    clean = impedance(Debye(1e-3), CELLS[2])
    noisy = clean.Z * (1 + 0.01 * (rng.normal(size=clean.Z.shape) + 1j * rng.normal(size=clean.Z.shape)))
    order = rng.permutation(len(noisy))
    assert bulk_resistance(clean.frequency[order], noisy[order]) == pytest.approx(clean.R_bulk, rel=0.02)


def test_an_arc_that_does_not_close_gives_no_resistance():
    arc = 1e-3 / (2 * np.pi * F_PER_CM * 10)
    found = impedance(Debye(1e-3), FREE, frequency_Hz=np.geomspace(arc, 100 * arc, 30))
    assert np.isnan(found.sigma)
    assert "before the arc" in found.statements[-1]
    with pytest.raises(NotConverged, match="before the arc"):
        bulk_resistance(found.frequency, found.Z)


def test_impedance_of_a_measured_spectrum():
    """The read-back conductivity is the limit of the spectrum at zero; bands hold the curve."""
    rng = np.random.default_rng(5)
    walk = [gaussian_path(rng, 1000, 1e-9, diffusion=4e9, amplitude=(20.0,), rate=(3e8,)) for _ in range(6)]
    spectrum = conductivity_spectrum(displacements(walk, 1e-9), n_bootstrap=60)
    found = impedance(spectrum, CELLS[1])
    assert found.sigma == pytest.approx(spectrum.dc.value, rel=0.01)
    low = 2 * np.pi * found.frequency < 1e6
    assert (found.lo.real[low] <= found.Z.real[low]).all()
    assert (found.Z.real[low] <= found.hi.real[low]).all()
    assert "extrapolated above" in found.statements[0]
    table = found.to_frame()
    assert {"f (Hz)", "Z' (ohm)", "Z'' lo (ohm)", "phase (deg)"} <= set(table.columns)
    assert "S/cm" in found.plot().get_legend_handles_labels()[1][0]
    assert found.plot_bode().get_ylabel() == "|Z|  (Ω)"
    assert "F/cm²" in found.plot_bode().get_title(loc="left")


def test_an_apex_beyond_the_samples_is_marked_in_the_plots():
    """The Debye arc has its apex at sigma / (2π ε_0 ε_∞), electrodes or not; 1e-3 S/cm and ε 10 make 1.8e8 Hz."""
    apex = 1e-3 / (2 * np.pi * F_PER_CM * CELLS[2].eps_inf)
    seen, unseen = (impedance(Debye(1e-3, resolved=(1.0, end)), CELLS[2]) for end in (2 * apex, apex / 3))
    assert seen.apex == pytest.approx(apex, rel=0.07)
    assert seen.apex_statement == ""
    assert "apex of the arc" in unseen.apex_statement
    for draw in ("plot", "plot_bode"):
        axes = [getattr(found, draw)().figure.axes for found in (seen, unseen)]
        marked = [any("extrapolated" in text.get_text() for ax in each for text in ax.texts) for each in axes]
        assert marked == [False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thickness_cm": 0.0}, "thickness_cm"),
        ({"area_cm2": -1.0}, "area_cm2"),
        ({"eps_inf": np.nan}, "eps_inf"),
        ({"capacitance_F_per_cm2": 0.0}, "capacitance"),
        ({"exponent": 1.2}, "exponent"),
    ],
)
def test_cells_that_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        Cell(**({"thickness_cm": 1.0, "area_cm2": 1.0, "eps_inf": 1.0} | change))


def test_what_else_is_refused():
    with pytest.raises(InputError, match="above zero"):
        impedance(Debye(0.0), FREE)
    with pytest.raises(InputError, match="positive frequencies"):
        impedance(Debye(1.0), FREE, frequency_Hz=[0.0, 1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="at least 4"):
        bulk_resistance([1.0, 2.0], [1.0, 2.0])
