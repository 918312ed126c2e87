#!/bin/bash
# A run on a cluster with LSF:        bsub < lsf.sh        with the deck in the last line, or DECK=scan.toml bsub < lsf.sh
# `mofkmc init lsf > lsf.sh` writes this file.
#
# Two minutes before the run limit LSF sends USR1; all tasks keep their state and the job ends. The same command goes on
# from there:   bsub -w 'ended(mofkmc)' < lsf.sh
#
#BSUB -J mofkmc
#BSUB -n 64
#BSUB -R "span[ptile=32]"
#BSUB -W 24:00
#BSUB -wt 2
#BSUB -wa USR1
#BSUB -r
#BSUB -o %J-%I.log

set -euo pipefail
# module load openmpi                     # the MPI of your cluster
# source "$HOME/mofkmc/bin/activate"      # the Python environment that has mofkmc

export NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1
exec mpirun -n "${LSB_DJOB_NUMPROC:-1}" mofkmc run "${DECK:-scan.toml}" --threads 1
