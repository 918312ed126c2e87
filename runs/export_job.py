"""What `mofkmc export` does: frames of a run for other programs."""

from __future__ import annotations

from pathlib import Path

from analysis.campaign import open_run
from runs.faults import writing
from runs.progress import reporter
from runs.text_tables import output_console
from structures.errors import InputError

FORMATS = ("h5md", "xyz", "npz")
SUFFIX = "_frames"
_NAMED = 6


def export_job(
    path: Path, form: str, *, output: Path | None = None, tasks: tuple[str, ...] = (), framework: bool = True
) -> None:
    """Write the frames of tasks in another format, one file for each.

    Parameters
    ----------
    path : Path
        Folder of the run.
    form : {"h5md", "xyz", "npz"}
    output : Path, optional
        Folder of the files; by default "<format>_frames" in the folder of the run.
    tasks : tuple of str
        Keys of the tasks; all by default.
    framework : bool
        Write the atoms of the framework behind the ions.

    Raises
    ------
    InputError
        If there is no such task, or no frames were kept.
    """
    from analysis.exchange_formats import export_frames

    run = open_run(path)
    if run.network is None:
        raise InputError(f"{path / 'network.h5'}: expected the pore network of the run, found none that can be read")
    known = [record.key for record in run.records]
    if strange := [key for key in tasks if key not in known]:
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        raise InputError(f"--task: expected one of {', '.join(known[:_NAMED])}{more}; found {strange[0]}")
    wanted = tasks or tuple(known)
    target = output or path / f"{form}{SUFFIX}"
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: expected a folder, found a file")
    written, said = 0, list[str]()
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
    try:
        with reporter(output_console(stderr=True)) as report:
            for n, key in enumerate(wanted):
                report(f"Frames as {form}", n / len(wanted))
                made = export_frames(path / "tasks" / f"{key}.h5", run.network, target, form, framework=framework)
                written += made.path.stat().st_size
                said += made.statements
    except InputError as error:
        if not any(target.iterdir()):
            target.rmdir()
        hint = "; frames are kept where the deck has [output] frames_every" if "frames" in str(error) else ""
        raise InputError(f"{error}{hint}") from None
    if said:
        more = f" (and {len(said) - 1} tasks more)" if len(said) > 1 else ""
        output_console(stderr=True).print(f"mofkmc: warning: {said[0]}{more}", markup=False, soft_wrap=True)
    several = "files" if len(wanted) > 1 else "file"
    output_console().print(f"{len(wanted)} {several} in {target}, {written / 1e6:.1f} MB", markup=False)
