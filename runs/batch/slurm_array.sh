#!/bin/bash
# Several decks at once with Slurm, each a job of its own:
#     sbatch --array=1-3 slurm_array.sh eps5.toml eps10.toml eps20.toml
# The first job of the array runs the first deck, and so on; each has its own folder of results. `mofkmc init
# slurm_array > slurm_array.sh` writes this file. For time limits and what follows see slurm.sh.
#
#SBATCH --job-name=mofkmc
#SBATCH --array=1-1
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=32
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

set -euo pipefail
# module load openmpi                     # the MPI of your cluster
# source "$HOME/mofkmc/bin/activate"      # the Python environment that has mofkmc

if (( SLURM_ARRAY_TASK_ID < 1 || SLURM_ARRAY_TASK_ID > $# )); then
    echo "$0: expected --array=1-$#, one number for each deck; found ${SLURM_ARRAY_TASK_ID}" >&2
    exit 2
fi
deck="${!SLURM_ARRAY_TASK_ID}"

export NUMBA_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}" OMP_NUM_THREADS=1
exec mpirun -n "${SLURM_NTASKS:-1}" mofkmc run --threads "${SLURM_CPUS_PER_TASK:-1}" "$deck"
