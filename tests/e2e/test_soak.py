"""A minute of soak.py: nothing fails, and neither memory nor descriptors grow."""

from soak import soak
from world import World


def test_a_minute_of_everything(world: World) -> None:
    soaked = soak(world, 60)
    assert not soaked.failures, soaked.failures
    assert soaked.rounds >= 5
    assert len(soaked.predictions) >= 500
    (memory, descriptors), (later, more) = soaked.half(second=False), soaked.half(second=True)
    print(f"\n{soaked.rounds} rounds; memory {memory:.1f} MB, later {later:.1f} MB; descriptors {descriptors}, {more}")
    # A round leaves nothing; what the allocator keeps goes up and down.
    assert later < memory + 30, f"{memory} MB, later {later} MB"
    assert more < descriptors + 20, f"{descriptors} descriptors, later {more}"
