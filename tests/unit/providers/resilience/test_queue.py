"""The fair queue and the lane around it, with a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from providers_app.resilience.concurrency import ConcurrencyPolicy
from providers_app.resilience.lane import Asked, Lane, LanePolicy, Refused, Ticket
from providers_app.resilience.queue import LONGEST_PLACE_S, WINDOW_S, Band, FairQueue, Waiter


def lane(slots: int = 2, **given: object) -> Lane:
    bounds = ConcurrencyPolicy(start=slots, most=slots)
    return Lane(LanePolicy(concurrency=bounds, **given), 0.0)  # type: ignore[arg-type]


def asked(person: str = "ada", tokens: float = 100, band: Band = Band.INTERACTIVE, patience: float = 60) -> Asked:
    return Asked(person=person, band=band, tokens=tokens, patience_s=patience)


def served(of: Lane, at: float = 0.0, slots: int = 1) -> list[str]:
    """Everybody who waits, in the order in which they are let in by ``slots`` slots."""
    order = []
    while of.queue.size:
        found = of.admit(at)
        assert found, "somebody waits, a slot is free, and nobody is let in"
        for waiter, ticket in found:
            order.append(waiter.person)
            of.leave(ticket, at)
    return order


def fill(of: Lane, now: float = 0.0) -> list[Ticket]:
    tickets = []
    while of.slots.free:
        found = of.enter(asked("filler"), now)
        assert isinstance(found, Ticket)
        tickets.append(found)
    return tickets


def test_nobody_waits_while_there_is_room() -> None:
    one = lane(2)
    first, second = one.enter(asked(), 0.0), one.enter(asked(), 0.0)
    assert isinstance(first, Ticket) and isinstance(second, Ticket)
    third = one.enter(asked(), 0.0)
    assert isinstance(third, Waiter) and one.admit(0.0) == []
    one.leave(first, 1.0)
    one.leave(first, 1.0)
    assert one.slots.used == 1, "a ticket is given back once"
    assert [waiter for waiter, _ in one.admit(1.0)] == [third]


def test_people_are_served_by_tokens_not_by_requests() -> None:
    one = lane(1)
    (ticket,) = fill(one)
    for _ in range(10):
        one.enter(asked("flood", 200_000), 0.0)
    for _ in range(10):
        one.enter(asked("bob", 2_000), 0.0)
    one.leave(ticket, 0.0)
    order = served(one)
    assert order.index("bob") <= 1 and order[: order.index("flood") + 11].count("bob") >= 9
    assert sorted(order) == ["bob"] * 10 + ["flood"] * 10


def test_a_higher_band_goes_first() -> None:
    one = lane(1)
    (ticket,) = fill(one)
    one.enter(asked("batch", band=Band.BATCH), 0.0)
    one.enter(asked("gateway", band=Band.GATEWAY), 0.0)
    one.enter(asked("person"), 0.0)
    one.leave(ticket, 0.0)
    assert served(one) == ["person", "gateway", "batch"]


def test_nobody_holds_more_than_four_fifths_while_another_one_waits() -> None:
    one = lane(10)
    tickets = fill(one)
    for _ in range(20):
        one.enter(asked("flood"), 0.0)
    for _ in range(5):
        one.enter(asked("bob", 1_000_000), 0.0)  # so dear that the other one's turn comes again and again
    for ticket in tickets:
        one.leave(ticket, 0.0)
    held = [waiter.person for waiter, _ in one.admit(0.0)]
    assert held.count("flood") == 8 and held.count("bob") == 2


def test_one_person_alone_may_have_every_slot() -> None:
    one = lane(10)
    tickets = fill(one)
    for _ in range(20):
        one.enter(asked("filler"), 0.0)
    for ticket in tickets:
        one.leave(ticket, 0.0)
    assert len(one.admit(0.0)) == 10


def test_a_person_who_alone_waits_may_have_what_others_leave() -> None:
    one = lane(10)
    bob = one.enter(asked("bob"), 0.0)
    tickets = fill(one)
    for _ in range(20):
        one.enter(asked("flood"), 0.0)
    for ticket in tickets:
        one.leave(ticket, 0.0)
    assert isinstance(bob, Ticket) and len(one.admit(0.0)) == 9


def test_a_full_queue_refuses_with_a_place_that_the_drain_rate_gives() -> None:
    one = lane(1, max_queue_size=2)
    (ticket,) = fill(one)
    for at in range(1, 6):  # one a second
        one.leave(ticket, float(at))
        (ticket,) = fill(one, float(at))
    waiting = [one.enter(asked(f"p{number}"), 5.0) for number in range(2)]
    assert all(isinstance(found, Waiter) for found in waiting)
    refusals = [one.enter(asked(f"late{number}"), 5.0) for number in range(3)]
    places = [found.place for found in refusals if isinstance(found, Refused) and found.why == "full"]
    assert [place.position for place in places] == [3, 4, 5]
    assert [round(place.retry_after_s) for place in places] == [3, 4, 5]


def test_a_place_is_at_most_two_minutes_and_says_when_that_is_too_little() -> None:
    queue = FairQueue(0)
    place = queue.place("ada", 0.0, at_least_s=500.0)
    assert (place.retry_after_s, place.capped) == (LONGEST_PLACE_S, True)


def test_who_comes_back_in_its_window_goes_first() -> None:
    one = lane(1, max_queue_size=2)
    (ticket,) = fill(one)
    one.enter(asked("first"), 0.0)
    one.enter(asked("second"), 0.0)
    refused = one.enter(asked("later"), 0.0)
    assert isinstance(refused, Refused)
    one.leave(ticket, 0.0)
    ((_, ticket),) = one.admit(0.0)
    back = refused.place.retry_after_s
    assert isinstance(one.enter(asked("later"), back), Waiter)
    one.leave(ticket, back)
    assert served(one, back) == ["later", "second"]
    queue = FairQueue(5)
    queue.place("late", 0.0)
    waiter = queue.join("late", Band.INTERACTIVE, 1, 1.0 + WINDOW_S + 0.1, 60)
    assert waiter is not None and not waiter.returned, "the window is over"


def test_a_place_is_that_of_its_request_and_room_is_kept_for_it() -> None:
    queue = FairQueue(5)
    for number in range(4):
        assert queue.join("ada", Band.INTERACTIVE, 1, 0.0, 60, f"first {number}") is not None
    assert queue.join("ada", Band.INTERACTIVE, 1, 0.0, 60, "fifth") is None, "one person takes four fifths at most"
    place = queue.place("ada", 0.0, key="fifth")
    assert queue.join("bob", Band.INTERACTIVE, 1, 0.0, 60) is not None, "the rest is for others"
    back = place.retry_after_s
    assert queue.join("ada", Band.INTERACTIVE, 1, back, 60, "another") is None
    waiter = queue.join("ada", Band.INTERACTIVE, 1, back, 60, "fifth")
    assert waiter is not None and waiter.returned and queue.size == 6
    assert queue.join("ada", Band.INTERACTIVE, 1, back, 60, "fifth") is None, "a place is taken once"


def test_those_who_come_back_go_in_the_order_in_which_they_did() -> None:
    queue = FairQueue(2)
    for person in ("one", "two"):
        queue.join(person, Band.INTERACTIVE, 1, 0.0, 60)
    for person in ("ada", "bob"):
        assert queue.join(person, Band.INTERACTIVE, 1, 0.0, 60) is None
        queue.place(person, 0.0)
    for person in ("ada", "bob"):
        assert queue.join(person, Band.INTERACTIVE, 1, 1.0, 60) is not None
    order = [waiter.person for _ in range(4) if (waiter := queue.next(100, 1.0))]
    assert order == ["ada", "bob", "one", "two"]


def test_the_rate_is_that_of_the_time_in_which_there_was_work() -> None:
    queue = FairQueue(2)
    for at in (0.0, 100.0, 200.0):
        for _ in range(4):
            queue.enter("ada", at)
        for _ in range(4):
            queue.done("ada", at + 2.0)  # four at once in two seconds
    assert queue.place("bob", 300.0).retry_after_s == 1.0
    assert queue.place("cy", 300.0, key="x").position == 2
    for number in range(8):
        queue.place("cy", 300.0, key=str(number))
    assert round(queue.place("dan", 300.0).retry_after_s, 1) == 5.5


def test_people_take_turns_while_their_credit_lasts() -> None:
    queue = FairQueue(100)
    for _ in range(6):
        queue.join("ada", Band.INTERACTIVE, 100, 0.0, 60)
    for _ in range(3):
        queue.join("bob", Band.INTERACTIVE, 100, 0.0, 60)
    order = [waiter.person for _ in range(9) if (waiter := queue.next(100, 0.0))]
    assert order[:6] == ["ada", "bob"] * 3


def test_what_cannot_begin_in_time_is_refused_at_once() -> None:
    one = lane(2, requests_per_minute=60.0)
    one.requests.pause(90.0, 0.0)
    found = one.enter(asked(patience=60), 0.0)
    assert isinstance(found, Refused) and found.why == "limit" and found.place.retry_after_s == 90.0
    waiting = one.enter(asked(patience=60), 40.0)
    assert isinstance(waiting, Waiter) and one.next_look(40.0) == 50.0
    assert one.admit(89.0) == [] and len(one.admit(90.0)) == 1


def test_what_was_not_sent_is_refunded_and_what_was_used_is_settled() -> None:
    one = lane(5, tokens_per_minute=1000.0)
    ticket = one.enter(asked(tokens=400), 0.0)
    assert isinstance(ticket, Ticket) and one.tokens.level(0.0) == 600
    one.leave(ticket, 0.0, sent=False)
    assert one.tokens.level(0.0) == 1000
    ticket = one.enter(asked(tokens=400), 0.0)
    assert isinstance(ticket, Ticket)
    one.leave(ticket, 0.0, used=900)
    assert one.tokens.level(0.0) == 100


PEOPLE = st.sampled_from(["ada", "bob", "cy"])


@given(st.lists(st.tuples(st.sampled_from(["enter", "leave", "give up"]), PEOPLE, st.sampled_from(Band)), max_size=120))
def test_slots_and_the_queue_always_add_up(steps: list[tuple[str, str, Band]]) -> None:
    one, inside, waiting = lane(3, max_queue_size=5), list[Ticket](), list[Waiter]()
    for at, (what, person, band) in enumerate(steps):
        now = float(at)
        if what == "enter":
            found = one.enter(asked(person, 50_000 * (at % 5), band), now)
            (inside if isinstance(found, Ticket) else waiting if isinstance(found, Waiter) else []).append(found)  # type: ignore[arg-type]
        elif what == "leave" and inside:
            one.leave(inside.pop(0), now)
        elif what == "give up" and waiting:
            assert one.give_up(waiting.pop())
        for waiter, ticket in one.admit(now):
            waiting.remove(waiter)
            inside.append(ticket)
        assert one.slots.used == len(inside) <= 3 and one.queue.size == len(waiting) <= 5
        assert sum(one.queue.waiting().values()) == len(waiting)
        assert not (waiting and one.slots.free), "a free slot and somebody who waits"
        assert sum(one.queue.held_by(name) for name in ("ada", "bob", "cy")) == len(inside)


def test_a_lane_says_why_a_request_would_have_to_wait() -> None:
    full = lane(slots=1)
    assert full.obstacle(0.0) == ""
    (ticket,) = fill(full)
    assert full.obstacle(0.0) == "As many requests as it takes at once are under way."
    assert isinstance(full.enter(asked(), 0.0), Waiter)
    full.leave(ticket, 0.0)
    assert full.obstacle(0.0) == "Other requests wait for it."
    resting = lane(slots=2)
    tickets = fill(resting)
    resting.limited(tickets[0], 0.0, 12.5)
    assert resting.obstacle(0.5) == "The provider limits it for another 12 s."
    for ticket in tickets:
        resting.leave(ticket, 1.0)
    assert resting.obstacle(12.5) == ""
    spent = lane(requests_per_minute=2.0)
    fill(spent)
    assert spent.obstacle(0.0) == "It is at its limit a minute for another 30 s."
