from hypothesis import given
from hypothesis import strategies as st

from emage.decoding import Span, plan_windows


def test_a_short_sequence_is_one_window():
    assert plan_windows(5, 8, 0.25) == [Span(0, 5, 0, 5)]
    assert plan_windows(8, 8, 0.25) == [Span(0, 8, 0, 8)]


def test_windows_overlap_by_their_context():
    assert plan_windows(20, 8, 0.25) == [
        Span(0, 8, 0, 6), Span(4, 12, 6, 10), Span(8, 16, 10, 14), Span(12, 20, 14, 20),
    ]  # fmt: skip


@given(
    st.integers(min_value=1, max_value=500),
    st.integers(min_value=2, max_value=64),
    st.floats(min_value=0, max_value=0.49),
)
def test_every_step_is_drawn_once_and_with_context(num_steps, window, context):
    spans = plan_windows(num_steps, window, context)
    assert [step for span in spans for step in range(span.first, span.last)] == list(range(num_steps))
    margin = min(round(window * context), (window - 1) // 2)
    for span in spans:
        assert span.stop - span.start == min(window, num_steps)
        assert span.first - span.start >= margin or span.start == 0
        assert span.stop - span.last >= margin or span.stop == num_steps
