"""Work that takes minutes: `Prefer: respond-async` makes a job of a call, whose answer is fetched later.

- `cancellation.check_cancelled`: ends a view that nobody waits for any more
- `mount.mount_jobs`: mounts where clients ask for the jobs of each model
- `mount.take_jobs`: has models take such calls, if the settings say so
- `mount.unfinished_jobs`: how many jobs this process has yet to finish
"""
