#!/bin/bash
# A run on a cluster with Slurm:        sbatch slurm.sh scan.toml
# Everything behind the deck goes to `mofkmc run`; `mofkmc init slurm > slurm.sh` writes this file.
#
# 120 s before the time limit Slurm sends USR1 to this script, which mpirun has replaced; all tasks keep their state
# and the job ends. The same command goes on from there. Several jobs, one after the other, until all is done:
#     for i in 1 2 3; do sbatch --dependency=singleton slurm.sh scan.toml; done
# What is finished already is not computed again, so that a job too many ends after a few seconds.
# Without mpirun: exec srun --mpi=pmi2 --kill-on-bad-exit=1 mofkmc run ... in the last line, with pmix for Open MPI.
#
#SBATCH --job-name=mofkmc
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=32
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

set -euo pipefail
# module load openmpi                     # the MPI of your cluster
# source "$HOME/mofkmc/bin/activate"      # the Python environment that has mofkmc

export NUMBA_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}" OMP_NUM_THREADS=1
exec mpirun -n "${SLURM_NTASKS:-1}" mofkmc run --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
