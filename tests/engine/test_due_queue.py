"""The queue gives the same results as a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.engine.due_queue import DueQueue

STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "take", "reschedule"]), st.integers(0, 9), st.floats(0, 100)),
    max_size=300,
)


@given(STEPS)
def test_the_first_due_item_is_taken_however_often_items_were_rescheduled(steps: list[tuple[str, int, float]]) -> None:
    queue, model = DueQueue[int](), dict[int, float]()
    for what, key, due in steps:
        match what:
            case "put":
                queue.put(key, key, due)
                model[key] = due
            case "remove":
                queue.remove(key)
                model.pop(key, None)
            case "reschedule":
                model = {one: (one * due) % 17 for one in model}
                queue.reschedule(lambda one, by=due: (one * by) % 17)  # type: ignore[misc]
            case _ if model:
                soonest = min(model.values())
                assert model.pop(queue.take()) == soonest
        assert len(queue) == len(model)
        assert queue.next_due() == min(model.values(), default=None)
        assert all(one in queue for one in model)
