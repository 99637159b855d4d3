#!/bin/bash
# A job on several nodes of a SLURM cluster: sbatch slurm.sh
#
# The driver runs on the node HEAD, whose disk has the job: its file, its input and its run directory. The workers run on
# all nodes. If a node dies, or the time is over, submit the script again: it goes on where it stopped.
#
# Change: HEAD (in both places), the folder, the number of nodes and CPUs. Ray and batchrun must be installed in the same
# versions on all nodes. The token is in a file on HEAD, which the job file names (token-file).
#SBATCH --job-name=batchrun
#SBATCH --nodes=4
#SBATCH --nodelist=node01
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --time=12:00:00
set -euo pipefail
HEAD=node01
cd /srv/jobs

# Starts Ray on all nodes, runs the command on HEAD, and ends Ray after it.
exec srun --kill-on-bad-exit=0 ray symmetric-run --address "$HEAD:6379" \
    --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_PER_TASK" -- \
    batchrun run -c batchrun.toml --ray auto --workers $((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK))
