"""Whatever two people do in a call, in any order: after each step the other one sees and hears it."""

import os

import pytest

from tests.browser.walk import PRELOAD, Oracle, Person, walk

pytestmark = pytest.mark.long

SEEDS = int(os.environ.get("WALK_SEEDS", "3"))
LENGTH = int(os.environ.get("WALK_LENGTH", "15"))


@pytest.fixture
def people(new_caller, names):
    """Two in a call, with the oracle."""
    callers = new_caller(), new_caller()
    alice, bob = (Person(caller, name) for caller, name in zip(callers, names, strict=True))
    for caller in callers:
        caller.page.add_init_script(PRELOAD)
    callers[0].open(*names).reads(f"Waiting for {names[1]}")
    callers[1].open(*reversed(names))
    alice.peer, bob.peer = bob, alice
    for person in (alice, bob):
        person.caller.is_in_a_call_with(person.peer.name)
    return alice, bob


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_random_walk(people, seed):
    walk(*people, seed, LENGTH)


def repeat(people, step, times):
    """Do it so often, with a look by the oracle after each."""
    alice, bob = people
    oracle = Oracle(alice, bob)
    oracle.look()
    for _ in range(times):
        step(alice, 1, None)
        oracle.look()


def test_the_camera_stops_and_starts_again_and_again(people):
    repeat(people, Person.stop_camera, 6)


def test_the_screen_is_shared_again_and_again(people):
    """Each time it is heard as well, and the descriptions do not grow: the oracle looks at them too."""
    for _ in range(5):
        repeat(people, Person.share, 2)


def test_the_button_to_share_is_pressed_twice_before_the_screen_is_chosen(people):
    alice, bob = people
    oracle = Oracle(alice, bob)
    alice.share(2, None)
    oracle.look()
    alice.share(1, None)
    oracle.look()


def test_the_camera_that_was_chosen_last_is_used(people):
    """The second choice comes while the browser still opens the first one."""
    alice, bob = people
    script = """async (labels) => {
        const select = document.querySelector('#camera');
        for (const label of labels) {
            select.value = [...select.options].find(({ text }) => text === label).value;
            select.dispatchEvent(new Event('change'));
            await new Promise((later) => setTimeout(later));
        }
    }"""
    for labels in (["fake_device_2", "fake_device_0"], ["fake_device_0", "fake_device_2"]):
        alice.page.evaluate(script, labels)
        used = "(label) => document.querySelector('#local').srcObject?.getVideoTracks()[0]?.label === label"
        alice.caller.until(used, labels[-1])
        Oracle(alice, bob).look()
