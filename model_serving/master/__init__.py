"""What gunicorn's first process does beyond gunicorn: reloads that lose nothing, and replacements.

For the others:

- `outcome.SUFFIX`: of the file that says what becomes of a reload
- `standing.BOOTING`: the state of a worker that has yet to load
- `supervisor.Supervisor`: replaces the workers, or the first process itself, once what follows is ready
- `weigh.memory_kib`: the memory of a process
- `worker.load_what_loads`: lets a worker that replaces another serve what it can
- `worker.run_in_turn`: tells which models answer, and runs a worker when it may serve
"""
