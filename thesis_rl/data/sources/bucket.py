"""A token bucket: no more than so many requests a second."""

from collections.abc import Callable


class TokenBucket:
    """Lets one request through for every token, of which `rate` arrive a second.

    It holds one at most, so that no second ever sees more than `rate` requests and one.

    Args:
        rate: tokens a second, above 0.
        clock: seconds; it may jump, which makes a wait shorter or 1 / rate, not longer.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ):
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._tokens, self._counted = 1.0, clock()

    def take(self) -> None:
        """Takes a token; where there is none, waits until the next one is there."""
        now = self._clock()
        arrived = max(now - self._counted, 0.0) * self._rate
        self._counted = now
        self._tokens = min(self._tokens + arrived, 1.0) - 1.0
        if self._tokens < 0.0:
            self._sleep(-self._tokens / self._rate)
