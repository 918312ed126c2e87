#!/bin/bash
# A run on a cluster with PBS Pro or OpenPBS:        qsub -v DECK=scan.toml pbs.sh
# OPTIONS, if given, go to `mofkmc run`, too: qsub -v "DECK=scan.toml,OPTIONS=--extend replicas=16" pbs.sh
# `mofkmc init pbs > pbs.sh` writes this file.
#
# PBS sends no signal ahead of the time limit: --time-limit, below the walltime by some minutes, lets all tasks keep their
# state in time. The same command goes on from there:
#     first=$(qsub -v DECK=scan.toml pbs.sh); qsub -W depend=afterany:$first -v DECK=scan.toml pbs.sh
#
#PBS -N mofkmc
#PBS -l select=2:ncpus=32:mpiprocs=32:ompthreads=1
#PBS -l walltime=24:00:00
#PBS -r y
#PBS -j oe

set -euo pipefail
cd "${PBS_O_WORKDIR:-.}"
# module load openmpi                     # the MPI of your cluster
# source "$HOME/mofkmc/bin/activate"      # the Python environment that has mofkmc

export NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1
ranks=$(wc -l < "$PBS_NODEFILE")
# shellcheck disable=SC2086  # several options in one variable
exec mpirun -n "$ranks" mofkmc run --threads 1 --time-limit 23:55:00 ${OPTIONS:-} "$DECK"
