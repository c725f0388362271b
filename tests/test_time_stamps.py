import numpy as np
import pytest

from emage.time_stamps import Hole, can_be_filled, describe, find_holes, has_time_stamps, with_silence

RATE = 1000


def frames(*times_ms: int, duration_ms: int = 20) -> list[str]:
    """Lines as ffmpeg writes them, in milliseconds."""
    head = ["#software: Lavf", "#tb 0: 1/1000", "#sample_rate 0: 1000"]
    return head + [f"0, {time:10d}, {time:10d}, {duration_ms:8d}, {80:8d}, 0x00000000" for time in times_ms]


def test_frames_in_a_row_have_no_holes():
    assert find_holes(frames(*range(0, 2000, 20)), RATE) == []
    assert find_holes([], RATE) == []


def test_jitter_of_time_stamps_is_no_hole():
    jitter = np.random.default_rng(0).integers(-35, 35, 500)
    assert (
        find_holes(frames(*(time + shift for time, shift in zip(range(0, 10000, 20), jitter, strict=True))), RATE) == []
    )


def test_small_losses_add_up_to_a_hole():
    assert find_holes(frames(*range(0, 400, 40)), RATE) == [Hole(100, 100)]


def test_a_hole_has_its_place_among_the_decoded_samples():
    assert find_holes(frames(0, 20, 540, 560, 1580), RATE) == [Hole(40, 500), Hole(80, 1000)]


def test_the_delay_of_an_encoder_is_no_hole_and_a_late_start_is_one():
    assert find_holes(frames(*range(90, 400, 20)), RATE) == []
    assert find_holes(frames(*range(-90, 400, 20)), RATE) == []
    assert find_holes(frames(2000, 2020), RATE) == [Hole(0, 2000)]


def test_time_stamps_that_begin_again_are_another_recording():
    first = range(0, 3000, 20)
    assert find_holes(frames(*first, *first, *first), RATE) == []
    assert find_holes(frames(*first, 0, 20, 540), RATE) == [Hole(3040, 500)]


def test_lines_without_a_time_are_left_out():
    lines = frames(0, 20, 40)
    assert find_holes([*lines, "0, NOPTS, NOPTS, 20, 80, 0x0", "0, 1", ""], RATE) == []


def test_another_time_base():
    lines = [line.replace("1/1000", "1/48000") for line in frames(0, 960, 96960, duration_ms=960)]
    assert find_holes(lines, 48000) == [Hole(1920, 95040)]


@pytest.mark.parametrize("block", [1, 7, 100, 1000])
def test_silence_is_put_into_the_holes_whatever_the_blocks(block):
    sound = np.arange(1, 201, dtype=np.float32).reshape(100, 2)
    blocks = [sound[start : start + block] for start in range(0, 100, block)]
    filled = list(with_silence(blocks, [Hole(0, 5), Hole(40, 30), Hole(99, 2)]))
    expected = np.concatenate(
        [np.zeros((5, 2)), sound[:40], np.zeros((30, 2)), sound[40:99], np.zeros((2, 2)), sound[99:]]
    )
    assert np.array_equal(np.concatenate(filled), expected)
    assert max(map(len, filled)) <= block
    assert np.array_equal(np.concatenate(list(with_silence(blocks, []))), sound)


def test_silence_is_bounded_by_the_sound_and_by_the_longest_file():
    assert can_be_filled([Hole(0, 61 * RATE)], RATE, RATE, 1000)
    assert not can_be_filled([Hole(0, 61 * RATE + 1)], RATE, RATE, 1000)
    assert not can_be_filled([Hole(0, 500 * RATE)], 501 * RATE, RATE, 1000)


def test_description():
    holes = [Hole(1000, 2000), Hole(3000, 100), Hole(4000, 100), Hole(5000, 100)]
    assert describe(holes[:1], RATE) == "2.00 s at 1.00 s"
    assert describe(holes, RATE) == "2.00 s at 1.00 s, 0.10 s at 5.00 s, 0.10 s at 6.10 s and 1 more"


def test_only_containers_with_time_stamps_are_asked():
    assert has_time_stamps("mov,mp4,m4a,3gp,3g2,mj2")
    assert has_time_stamps("matroska,webm")
    assert not has_time_stamps("mp3")
    assert not has_time_stamps("")
