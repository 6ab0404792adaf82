"""A Dask cluster whose workers are jobs of SLURM: prints its address, and runs until it is stopped.

Run it on a machine from which jobs can be submitted, and which the jobs can reach.
"""

import signal

from dask_jobqueue import SLURMCluster

cluster = SLURMCluster(
    cores=4,  # of a job, which runs as many trials at once as it has cores
    processes=4,  # Dask workers of a job, each for one trial
    memory="16GB",  # of a job
    walltime="08:00:00",
)
cluster.scale(jobs=2)  # or, from none to so many as there is work: cluster.adapt(maximum_jobs=2)
print(cluster.scheduler_address, flush=True)
signal.pause()
