"""gunicorn's worker class: connections, queues, threads, and the fast path from a request to its model.

- `application.service_in`: the service in what gunicorn serves
- `children.end_children`: ends what a worker has started
- `children.end_group`: ends the processes of a group
- `children.end_processes`: ends the processes of multiprocessing
- `children.isolate_children`: lets forked processes start without the server's signal handlers and sockets
- `shutdown.announce_shutdown`: tells workers when the whole service ends
- `loop_worker.LoopWorker`: the worker class
"""
