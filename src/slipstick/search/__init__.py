"""Which plan or system is best: spaces, enumeration, sampling, Pareto frontier, executors."""
