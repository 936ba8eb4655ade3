"""Puts something around the `post` of a resource, which both the fast path and Flask's dispatch call."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any


def with_post(resource: type[Any], around: Callable[[Callable[[], Any]], Any]) -> type[Any]:
    """A subclass of `resource` that answers what `around` returns, which may call the `post` it is given."""

    @functools.wraps(resource.post)
    def post(*args: Any, **kwargs: Any) -> Any:
        return around(functools.partial(resource.post, *args, **kwargs))

    if getattr(resource.post, 'itself', None) is resource.post:
        post.itself = post  # type: ignore[attr-defined] # Nothing of others stands around it.
    attributes = {'post': post, '__doc__': resource.__doc__, '__module__': resource.__module__}
    return type(resource.__name__, (resource,), attributes)


def then(result: Any, finish: Callable[[Any], Any]) -> Any:
    """What `finish` makes of the result of a view, once there is one."""

    async def wait() -> Any:
        return finish(await result)

    return wait() if isinstance(result, Coroutine) else finish(result)
