"""Jitted energies of an ion at arbitrary points; every array is allocated by the caller.

The energy of a bead is a sum over the few atoms nearer than a matching distance plus a smooth rest, which is read from
a mesh by quintic B-splines and has continuous fourth derivatives. In the squared distance x = r² the short-ranged part
of a pair function f is f(x) minus its Taylor polynomial at the matching distance; see lattice/probe.py.
"""

import math

import numpy as np
from numba import njit

CORE_SQUARED = 1e-2  # Å², below it no energy matters and 1/r is kept finite
HOPELESS = 100.0  # eV, an orientation is given up when the beads so far cost more
BARELY = 16.0  # kT, so far above the best one it weighs 1e-7 and need not be known well
TABLE_ERROR = 5e-5  # eV, by which an energy read from a table of bead energies may be wrong
BLOCKED = 255  # cell of that table inside an atom
NEGLIGIBLE = 30.0  # kT, an orientation so far above the best one weighs less than 1e-13


@njit(cache=True, nogil=True, error_model="numpy")
def _polynomial(c, u):
    """Value of the polynomial with ascending coefficients c (7,)."""
    return c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * (c[5] + u * c[6])))))


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(c, u):
    """First derivative of the polynomial."""
    return c[1] + u * (2 * c[2] + u * (3 * c[3] + u * (4 * c[4] + u * (5 * c[5] + u * 6 * c[6]))))


@njit(cache=True, nogil=True, error_model="numpy")
def _bend(c, u):
    """Second derivative of the polynomial."""
    return 2 * c[2] + u * (6 * c[3] + u * (12 * c[4] + u * (20 * c[5] + u * 30 * c[6])))


@njit(cache=True, nogil=True, error_model="numpy")
def _weights(t, w):
    """Quintic B-spline weights of the six points around t in [0, 1), values in w[0], derivatives in w[1] and w[2]."""
    for j in range(6):
        s = t + 2.0 - j
        a = abs(s)
        sign = 1.0 if s >= 0 else -1.0
        if a < 1.0:
            w[0, j] = (66.0 + a * a * (-60.0 + a * a * (30.0 - 10.0 * a))) / 120.0
            w[1, j] = sign * a * (-120.0 + a * a * (120.0 - 50.0 * a)) / 120.0
            w[2, j] = (-120.0 + a * a * (360.0 - 200.0 * a)) / 120.0
        elif a < 2.0:
            w[0, j] = (51.0 + a * (75.0 + a * (-210.0 + a * (150.0 + a * (-45.0 + 5.0 * a))))) / 120.0
            w[1, j] = sign * (75.0 + a * (-420.0 + a * (450.0 + a * (-180.0 + 25.0 * a)))) / 120.0
            w[2, j] = (-420.0 + a * (900.0 + a * (-540.0 + 100.0 * a))) / 120.0
        else:
            b = 3.0 - a if a < 3.0 else 0.0
            w[0, j] = b * b * b * b * b / 120.0
            w[1, j] = -sign * b * b * b * b / 24.0
            w[2, j] = b * b * b / 6.0


@njit(cache=True, nogil=True, error_model="numpy")
def _corner(x, n, index):
    """Fill the six periodic grid numbers around x in [0, 1); return the place within the step."""
    u = x * n
    low = int(u)
    for j in range(6):
        k = low - 2 + j
        while k >= n:
            k -= n
        while k < 0:
            k += n
        index[j] = k
    return u - low


@njit(cache=True, nogil=True, error_model="numpy")
def _spline_value(mesh, x, w, index):
    """Value of the periodic spline at the point x of the cell; w (3, 3, 6) and index (3, 6) are overwritten."""
    for i in range(3):
        _weights(_corner(x[i], mesh.shape[i], index[i]), w[i])
    total = 0.0
    for i in range(6):
        for j in range(6):
            row = mesh[index[0, i], index[1, j]]
            part = 0.0
            for k in range(6):
                part += w[2, 0, k] * row[index[2, k]]
            total += w[0, 0, i] * w[1, 0, j] * part
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _spline_moments(moments, mesh, x, w, index):
    """Value and fractional derivatives of the spline, overwritten: value; 1, 2, 3; 11, 22, 33, 23, 13, 12."""
    n = mesh.shape
    for i in range(3):
        _weights(_corner(x[i], n[i], index[i]), w[i])
    moments[:] = 0.0
    for i in range(6):
        for j in range(6):
            row = mesh[index[0, i], index[1, j]]
            p0, p1, p2 = 0.0, 0.0, 0.0
            for k in range(6):
                value = row[index[2, k]]
                p0 += w[2, 0, k] * value
                p1 += w[2, 1, k] * value
                p2 += w[2, 2, k] * value
            a0, a1, a2 = w[0, 0, i], w[0, 1, i], w[0, 2, i]
            b0, b1, b2 = w[1, 0, j], w[1, 1, j], w[1, 2, j]
            moments[0] += a0 * b0 * p0
            moments[1] += a1 * b0 * p0
            moments[2] += a0 * b1 * p0
            moments[3] += a0 * b0 * p1
            moments[4] += a2 * b0 * p0
            moments[5] += a0 * b2 * p0
            moments[6] += a0 * b0 * p2
            moments[7] += a0 * b1 * p1
            moments[8] += a1 * b0 * p1
            moments[9] += a1 * b1 * p0
    for i in range(3):
        moments[1 + i] *= n[i]
        moments[4 + i] *= n[i] * n[i]
        moments[7 + i] *= n[(i + 1) % 3] * n[(i + 2) % 3]


@njit(cache=True, nogil=True, error_model="numpy")
def spline_derivatives(mesh, points, inverse, energy, gradient, hessian):
    """Value, Cartesian gradient and Hessian of a periodic quintic spline.

    Parameters
    ----------
    mesh : (n1, n2, n3) float64
        B-spline coefficients.
    points : (m, 3) float64
        Fractional.
    inverse : (3, 3) float64, 1/Å
        Cartesian rows to fractional ones.
    energy, gradient, hessian : (m,), (m, 3), (m, 3, 3) float64
        Overwritten.
    """
    moments, w, index = np.empty(10), np.empty((3, 3, 6)), np.empty((3, 6), np.int64)
    for p in range(points.shape[0]):
        gradient[p] = 0.0
        hessian[p] = 0.0
        _spline_moments(moments, mesh, points[p] - np.floor(points[p]), w, index)
        energy[p] = moments[0]
        _add_moments(moments, 1.0, inverse, gradient[p], hessian[p])


@njit(cache=True, nogil=True, error_model="numpy")
def _add_moments(moments, scale, inverse, gradient, hessian):
    """Add `scale` times the derivatives by coordinates r @ inverse, moments 1 ... 9, as derivatives by r."""
    for i in range(3):
        for a in range(3):
            gradient[i] += scale * inverse[i, a] * moments[1 + a]
            for j in range(3):
                for b in range(3):
                    second = moments[4 + a] if a == b else moments[10 - a - b]
                    hessian[i, j] += scale * inverse[i, a] * second * inverse[j, b]


@njit(cache=True, nogil=True, error_model="numpy")
def _place(x, cell, bins, inside, r):
    """Wrap the fractional x into the cell, fill its Cartesian place r and return the number of its bin."""
    number = 0
    for i in range(3):
        inside[i] = x[i] - math.floor(x[i])
        number = number * bins[i] + min(int(inside[i] * bins[i]), bins[i] - 1)
    for i in range(3):
        r[i] = inside[0] * cell[0, i] + inside[1] * cell[1, i] + inside[2] * cell[2, i]
    return number


@njit(cache=True, nogil=True, error_model="numpy")
def _near_energy(r, begin, end, atoms, element, table, screen, coulomb, lj_square, coulomb_square):
    """Lennard-Jones energy and electrostatic potential of the atoms nearer than the matching distances, eV and V."""
    contact, electric = 0.0, 0.0
    for n in range(begin, end):
        d0, d1, d2 = r[0] - atoms[n, 0], r[1] - atoms[n, 1], r[2] - atoms[n, 2]
        x = d0 * d0 + d1 * d1 + d2 * d2
        if x < lj_square:
            x = max(x, CORE_SQUARED)
            c = table[element[n]]
            i6 = 1.0 / (x * x * x)
            contact += (c[0] * i6 - c[1]) * i6 + _polynomial(c[2:], x - lj_square)
        s0 = d0 * screen[0, 0] + d1 * screen[1, 0] + d2 * screen[2, 0]
        s1 = d0 * screen[0, 1] + d1 * screen[1, 1] + d2 * screen[2, 1]
        s2 = d0 * screen[0, 2] + d1 * screen[1, 2] + d2 * screen[2, 2]
        x = s0 * s0 + s1 * s1 + s2 * s2
        if x < coulomb_square:
            x = max(x, CORE_SQUARED * coulomb_square / lj_square)
            electric += atoms[n, 3] * (1.0 / math.sqrt(x) + _polynomial(coulomb, x - coulomb_square))
    return contact, electric


@njit(cache=True, nogil=True, error_model="numpy")
def _add_pair(moments, d0, d1, d2, value, first, second):
    """Add a pair function of x with derivatives by x: value; x, y, z; xx, yy, zz, yz, xz, xy."""
    moments[0] += value
    g, h = 2.0 * first, 4.0 * second
    moments[1] += g * d0
    moments[2] += g * d1
    moments[3] += g * d2
    moments[4] += g + h * d0 * d0
    moments[5] += g + h * d1 * d1
    moments[6] += g + h * d2 * d2
    moments[7] += h * d1 * d2
    moments[8] += h * d0 * d2
    moments[9] += h * d0 * d1


@njit(cache=True, nogil=True, error_model="numpy")
def _near_moments(contact, electric, r, begin, end, atoms, element, table, screen, coulomb, lj_square, coulomb_square):
    """Fill the moments (10,) of both sums of `_near_energy`, the electric ones in the screened coordinates."""
    contact[:] = 0.0
    electric[:] = 0.0
    for n in range(begin, end):
        d0, d1, d2 = r[0] - atoms[n, 0], r[1] - atoms[n, 1], r[2] - atoms[n, 2]
        x = d0 * d0 + d1 * d1 + d2 * d2
        if x < lj_square:
            x = max(x, CORE_SQUARED)
            c = table[element[n]]
            inverse = 1.0 / x
            i6 = inverse * inverse * inverse
            a, b, u = c[0] * i6 * i6, c[1] * i6, x - lj_square
            first = (3.0 * b - 6.0 * a) * inverse + _slope(c[2:], u)
            second = (42.0 * a - 12.0 * b) * inverse * inverse + _bend(c[2:], u)
            _add_pair(contact, d0, d1, d2, a - b + _polynomial(c[2:], u), first, second)
        s0 = d0 * screen[0, 0] + d1 * screen[1, 0] + d2 * screen[2, 0]
        s1 = d0 * screen[0, 1] + d1 * screen[1, 1] + d2 * screen[2, 1]
        s2 = d0 * screen[0, 2] + d1 * screen[1, 2] + d2 * screen[2, 2]
        x = s0 * s0 + s1 * s1 + s2 * s2
        if x < coulomb_square:
            x = max(x, CORE_SQUARED * coulomb_square / lj_square)
            q, inverse, u = atoms[n, 3], 1.0 / x, x - coulomb_square
            root = math.sqrt(inverse)
            first = q * (-0.5 * root * inverse + _slope(coulomb, u))
            second = q * (0.75 * root * inverse * inverse + _bend(coulomb, u))
            _add_pair(electric, s0, s1, s2, q * (root + _polynomial(coulomb, u)), first, second)


@njit(cache=True, nogil=True, error_model="numpy")
def _bead_energy(
    x, mesh, charge, table, cell, screen, bins, start, atoms, element, coulomb, lj_square, coulomb_square, work, index
):
    """Energy of one bead at the fractional point x, eV; `work` (4, 3, 6) and `index` (3, 6) are overwritten."""
    inside, r = work[3, 0, :3], work[3, 1, :3]
    number = _place(x, cell, bins, inside, r)
    contact, electric = _near_energy(
        r, start[number], start[number + 1], atoms, element, table, screen, coulomb, lj_square, coulomb_square
    )
    return contact + charge * electric + _spline_value(mesh, inside, work, index)


@njit(cache=True, nogil=True, error_model="numpy")
def orientation_energies(point, field, body, energies):
    """Fill the energies (n_orientations,) of the ion in every orientation at a fractional point, eV.

    An orientation that costs more than `HOPELESS` before its last bead is counted is given up with that energy.
    """
    _orientations(point, field, body, energies, np.empty(3), np.empty((4, 3, 6)), np.empty((3, 6), np.int64))


@njit(cache=True, nogil=True, error_model="numpy")
def _orientations(point, field, body, energies, x, work, index):
    """Do the work of `orientation_energies` in arrays of the caller."""
    cell, _, screen, meshes, bins, start, atoms, element, bead_charge, tables, coulomb, far, far_electric = field
    shifts, kinds, _ = body
    shared = 0.0
    for o in range(shifts.shape[0]):
        total = shared
        for b in range(shifts.shape[1]):
            central = shifts[o, b, 0] == 0.0 and shifts[o, b, 1] == 0.0 and shifts[o, b, 2] == 0.0
            if central and o > 0:
                continue
            for i in range(3):
                x[i] = point[i] + shifts[o, b, i]
            k = kinds[b]
            energy = _bead_energy(
                x, meshes[k], bead_charge[k], tables[k], cell, screen, bins, start, atoms, element, coulomb,
                far, far_electric, work, index
            )  # fmt: skip
            total += energy
            if central:
                shared += energy
            if total > HOPELESS and shifts.shape[0] > 1:
                break
        energies[o] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _mean_energy(energies, log_weights, beta):
    """-kT ln Σ w exp(-U/kT)."""
    lowest, total = energies.min(), 0.0
    for o in range(energies.size):
        above = beta * (energies[o] - lowest)
        if above < NEGLIGIBLE:
            total += math.exp(log_weights[o] - above)
    return lowest - math.log(total) / beta


@njit(cache=True, nogil=True, error_model="numpy")
def free_energies(points, field, body, betas, free_energy):
    """Free energy of an ion that turns freely, -kT ln Σ w exp(-U/kT), at arbitrary points and temperatures.

    Parameters
    ----------
    points : (m, 3) float64
        Fractional.
    field : ProbeField
    body : Body
    betas : (n_temperatures,) float64, 1/eV
    free_energy : (n_temperatures, m) float64, eV
        Overwritten.
    """
    log_weights = body.log_weights
    energies, x, work, index = np.empty(len(log_weights)), np.empty(3), np.empty((4, 3, 6)), np.empty((3, 6), np.int64)
    for p in range(points.shape[0]):
        _orientations(points[p], field, body, energies, x, work, index)
        for t in range(betas.size):
            free_energy[t, p] = _mean_energy(energies, log_weights, betas[t])


@njit(cache=True, nogil=True, error_model="numpy")
def _cubic_corner(x, n, w, index):
    """Fill four periodic grid numbers around x and their weights in Lagrange's cubic; return the number below x."""
    u = (x - math.floor(x)) * n
    low = min(int(u), n - 1)
    t = u - low
    w[0] = t * (1.0 - t) * (t - 2.0) / 6.0
    w[1] = (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0
    w[2] = (t + 1.0) * t * (2.0 - t) / 2.0
    w[3] = (t + 1.0) * t * (t - 1.0) / 6.0
    index[0] = low - 1 if low > 0 else n - 1
    index[1] = low
    index[2] = low + 1 if low < n - 1 else 0
    index[3] = index[2] + 1 if index[2] < n - 1 else 0
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def _cubic_value(grid, w, index):
    total = 0.0
    for i in range(4):
        for j in range(4):
            row = grid[index[0, i], index[1, j]]
            part = 0.0
            for k in range(4):
                part += w[2, k] * row[index[2, k]]
            total += w[0, i] * w[1, j] * part
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _is_blocked(point, doubt, shifts, kinds):
    """Whether a bead of an orientation lies in a cell that is `BLOCKED`."""
    _, n1, n2, n3 = doubt.shape
    for b in range(kinds.size):
        u, v, w = point[0] + shifts[b, 0], point[1] + shifts[b, 1], point[2] + shifts[b, 2]
        i, j, k = int((u - math.floor(u)) * n1), int((v - math.floor(v)) * n2), int((w - math.floor(w)) * n3)
        if doubt[kinds[b], min(i, n1 - 1), min(j, n2 - 1), min(k, n3 - 1)] == BLOCKED:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _read_orientations(point, table, doubt, body, energies, errors, w, near):
    """Fill the energies of all orientations as the table has them, and bounds of their errors.

    An orientation that is blocked or costs more than `HOPELESS` is given up.
    """
    shifts, kinds, _ = body
    for o in range(shifts.shape[0]):
        energies[o], errors[o] = HOPELESS, 0.0
        if _is_blocked(point, doubt, shifts[o], kinds):
            continue
        total, error = 0.0, 0.0
        for b in range(kinds.size):
            k = kinds[b]
            for i in range(3):
                near[i, 4] = _cubic_corner(point[i] + shifts[o, b, i], table.shape[1 + i], w[i], near[i])
            total += _cubic_value(table[k], w, near)
            error += TABLE_ERROR * (1 << np.int64(doubt[k, near[0, 4], near[1, 4], near[2, 4]]))
            if total - error > HOPELESS:
                break
        if total - error <= HOPELESS:
            energies[o], errors[o] = total, error


@njit(cache=True, nogil=True, error_model="numpy")
def _improved(o, point, table, doubt, field, body, x, work, index, w, near):
    """Energy of one orientation with the beads computed where the table is in doubt."""
    cell, _, screen, meshes, bins, start, atoms, element, bead_charge, tables, coulomb, far, far_electric = field
    shifts, kinds, _ = body
    total = 0.0
    for b in range(shifts.shape[1]):
        k = kinds[b]
        for i in range(3):
            x[i] = point[i] + shifts[o, b, i]
            near[i, 4] = _cubic_corner(x[i], table.shape[1 + i], w[i], near[i])
        if doubt[k, near[0, 4], near[1, 4], near[2, 4]] == 0:
            total += _cubic_value(table[k], w, near)
        else:
            total += _bead_energy(
                x, meshes[k], bead_charge[k], tables[k], cell, screen, bins, start, atoms, element, coulomb, far,
                far_electric, work, index
            )  # fmt: skip
        if total > HOPELESS:
            break
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def tabulated_free_energies(points, table, doubt, field, body, beta, free_energy):
    """Do what `free_energies` does, at one temperature, with the energies of beads from a table of `BeadTable`.

    Only orientations that may count are computed where the table is in doubt; `free_energy` (m,) is overwritten.
    """
    n_orientations = len(body.log_weights)
    energies, errors = np.empty(n_orientations), np.empty(n_orientations)
    x, work, index = np.empty(3), np.empty((4, 3, 6)), np.empty((3, 6), np.int64)
    w, near = np.empty((3, 4)), np.empty((3, 5), np.int64)
    for p in range(points.shape[0]):
        _read_orientations(points[p], table, doubt, body, energies, errors, w, near)
        best = HOPELESS
        for turn in range(-1, n_orientations):
            o = energies.argmin() if turn < 0 else turn
            if energies[o] - errors[o] < best + BARELY / beta:
                if errors[o] > body.shifts.shape[1] * TABLE_ERROR:
                    energies[o] = _improved(o, points[p], table, doubt, field, body, x, work, index, w, near)
                    errors[o] = 0.0
                best = min(best, energies[o])
        free_energy[p] = _mean_energy(energies, body.log_weights, beta)


@njit(cache=True, nogil=True, error_model="numpy")
def free_energy_derivatives(points, field, body, beta, energy, gradient, hessian):
    """Free energy at one temperature with its Cartesian derivatives: <∇U> and <∇∇U> - cov(∇U)/kT.

    Parameters
    ----------
    points : (m, 3) float64
        Fractional.
    field : ProbeField
    body : Body
    beta : float, 1/eV
    energy : (m,) float64, eV
        Overwritten, as are the next two.
    gradient : (m, 3) float64, eV/Å
    hessian : (m, 3, 3) float64, eV/Å²
    """
    cell, inverse, screen, meshes, bins, start, atoms, element, bead_charge, tables, coulomb, near, far = field
    shifts, kinds, log_weights = body
    energies, x, work, index = np.empty(len(log_weights)), np.empty(3), np.empty((4, 3, 6)), np.empty((3, 6), np.int64)
    moments, unit, inside, r = np.empty((3, 10)), np.eye(3), np.empty(3), np.empty(3)
    g, h, g_mean, h_mean = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty((3, 3))
    single = len(energies) == 1
    for p in range(points.shape[0]):
        if not single:
            _orientations(points[p], field, body, energies, x, work, index)
        lowest = 0.0 if single else energies.min()
        total = 0.0
        g_mean[:] = 0.0
        h_mean[:] = 0.0
        for o in range(energies.size):
            if not single and beta * (energies[o] - lowest) > NEGLIGIBLE:
                continue
            g[:] = 0.0
            h[:] = 0.0
            value = 0.0
            for b in range(kinds.size):
                for i in range(3):
                    x[i] = points[p, i] + shifts[o, b, i]
                k = kinds[b]
                number = _place(x, cell, bins, inside, r)
                _near_moments(
                    moments[0], moments[1], r, start[number], start[number + 1], atoms, element, tables[k], screen,
                    coulomb, near, far
                )  # fmt: skip
                _spline_moments(moments[2], meshes[k], inside, work, index)
                _add_moments(moments[0], 1.0, unit, g, h)
                _add_moments(moments[1], bead_charge[k], screen, g, h)
                _add_moments(moments[2], 1.0, inverse, g, h)
                value += moments[0, 0] + bead_charge[k] * moments[1, 0] + moments[2, 0]
            if single:
                lowest = value
            weight = math.exp(log_weights[o] - beta * (value - lowest))
            total += weight
            for i in range(3):
                g_mean[i] += weight * g[i]
                for j in range(3):
                    h_mean[i, j] += weight * (h[i, j] - beta * g[i] * g[j])
        energy[p] = lowest - math.log(total) / beta
        for i in range(3):
            gradient[p, i] = g_mean[i] / total
        for i in range(3):
            for j in range(3):
                hessian[p, i, j] = h_mean[i, j] / total + beta * gradient[p, i] * gradient[p, j]
