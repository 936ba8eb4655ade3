"""The request being answered: its id, its deadline, its slot, and the event loop of its coroutines.

- `client_address.client_network`: the address of a client, or its network
- `client_address.proxies`: the proxies whose headers count
- `coroutines.iterate_sync`: the chunks of an asynchronous stream, for a thread
- `coroutines.monitored`: a coroutine that is named in the log when it blocks the event loop
- `coroutines.run_coroutine`: waits in a thread for a coroutine in the service's event loop
- `coroutines.run_in_thread`: awaits a function that runs in a thread
- `coroutines.running_loop`: the service's event loop, if the caller runs in it
- `coroutines.use_loop`: sets the event loop of the service
- `current.CurrentRequest`: what the log and the metrics know of a request
- `current.REQUEST_KEY`: where the WSGI environment keeps it
- `current.current_request`: the context variable that holds it
- `current.on_trial`: the context variable that lists what is tried once a model has answered its own example
- `deadline.deadline`: the context variable that holds the deadline
- `deadline.remaining_s`: the seconds until then
- `room.FREE_BYTES`: the largest body that takes no room
- `room.room`: the memory that parsed bodies may take together
- `room.take_room`: waits for memory for a body of JSON
- `slots.DEBUG`: whether internal counts are checked at each step
- `slots.Slot`: the right of a thread to run beside others
- `slots.thread_state`: the slot of the calling thread
"""
