"""The application: what is mounted beside the models, and the models.

For the others:

- `mounts.Mount`: a model, its name and its resource
- `mounts.create_app`: the application of these models
- `mounts.assemble`: the same, for a program that has set up logging
- `mounts.load_seconds`: how long each model has taken to load
- `mounts.stand_in_for_mistakes`: lets a mistake stop a model alone
- `mounts.read_mounts`: what a main.py mounts
- `mounts.choose`: the mounts of these names
- `mounts.packages_of_mounts`: the packages of the models that a main.py mounts
- `preload.PACKAGES`: what the service itself imports
- `preload.import_packages`: imports packages before gunicorn forks
- `preload.run_in_fork`: what a function returns in a process of its own
- `preload.threads_lost_by_a_fork`: how many threads a forked process would miss
- `versions.VERSION`: what a version of a model looks like
"""
