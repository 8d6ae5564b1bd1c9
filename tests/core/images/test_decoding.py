import logging
from pathlib import Path

import numpy as np
import pytest

from featcx_core.images import decoding
from featcx_core.images.data import (
    batches,
    load_data,
)
from featcx_core.images.decoding import Decoded
from featcx_core.study.fields import StudyError
from tests.core.images.sources import CPU, folder, of_folder, picture


def broken_folder(root: Path, *, ending: str, each: int = 10) -> Path:
    """A folder whose first cat is cut off."""
    folder(root, ending=ending, each=each)
    first = root / "cat" / f"000.{ending}"
    first.write_bytes(first.read_bytes()[:-20])
    return root


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "webp", "gif", "tif"])
def test_a_file_that_is_cut_off_is_named_counted_and_left_out(tmp_path, caplog, ending):
    whole = load_data(of_folder(folder(tmp_path / "whole", ending=ending)))
    root = broken_folder(tmp_path / "broken", ending=ending)
    with caplog.at_level(logging.WARNING, logger="featcx"):
        data = load_data(of_folder(root, broken_share=0.05))
    assert data.broken == (str(root / "cat" / f"000.{ending}"),)
    said = f"1 of the 20 image files that are used cannot be read and are left out: {data.broken[0]} ("
    assert said in caplog.text
    for part, rows in data.split.items():  # nothing else moves
        np.testing.assert_array_equal(rows, whole.split[part][whole.split[part] != 0])
    data.images[np.concatenate(list(data.split.values()))]
    with pytest.raises(
        StudyError, match=rf"1 of the 20 image files .*data\.broken_share = 0.01: .*000\.{ending} \(.*delete"
    ):
        load_data(of_folder(root))


def test_what_is_no_image_at_all(tmp_path):
    folder(tmp_path)
    for i, content in enumerate((b"", b"<html>not found</html>", bytes(500))):
        (tmp_path / "dog" / f"{i:03}.png").write_bytes(content)
    flipped = tmp_path / "dog" / "003.png"
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 255
    flipped.write_bytes(content)
    (tmp_path / "dog" / "004.png").unlink()
    (tmp_path / "dog" / "004.png").symlink_to(tmp_path / "nowhere.png")
    data = load_data(of_folder(tmp_path, broken_share=0.5))
    assert [Path(name).stem for name in data.broken] == ["000", "001", "002", "003", "004"]
    with pytest.raises(
        StudyError, match=r"000\.png \(no image, or its beginning is damaged\).*004\.png \(No such file or directory\)"
    ):
        load_data(of_folder(tmp_path, broken_share=0.2))


def test_only_files_that_are_used_are_looked_at(tmp_path):
    folder(tmp_path, each=40)
    data = load_data(of_folder(tmp_path, split={"train": 8, "fit": 4, "score": 4, "test": 4}))
    unused = sorted(set(range(80)) - set(np.concatenate(list(data.split.values())).tolist()))
    (tmp_path / ("cat" if unused[0] < 40 else "dog") / f"{unused[0] % 40:03}.png").write_bytes(b"")
    assert load_data(of_folder(tmp_path, split={"train": 8, "fit": 4, "score": 4, "test": 4})).broken == ()


def test_a_file_that_breaks_later_stops_the_reading_by_its_name(tmp_path):
    data = load_data(of_folder(folder(tmp_path)))
    (tmp_path / "cat" / "002.png").write_bytes(b"")
    with pytest.raises(StudyError, match=r"002\.png cannot be decoded .*replace or delete it"):
        list(batches(data, np.arange(20), batch_size=4, device=CPU))
    picture(np.random.default_rng(0), (5, 5)).save(tmp_path / "cat" / "002.png")
    with pytest.raises(StudyError, match=r"002\.png: wanted pixels \(3, 10, 12\), got \(3, 5, 5\); was it replaced\?"):
        data.images[np.array([2])]


def test_images_are_decoded_ahead_and_no_more_than_that(tmp_path):
    data = load_data(of_folder(folder(tmp_path, each=30)))
    assert isinstance(data.images, Decoded)
    asked: list[int] = []
    parts = (asked.append(start) or np.arange(start, start + 5) for start in range(0, 60, 5))
    stream = data.images.ahead(parts)
    first = next(stream)
    assert len(asked) == 1 + decoding.N_AHEAD
    np.testing.assert_array_equal(first, data.images[np.arange(5)])
    next(stream)
    assert len(asked) == 2 + decoding.N_AHEAD
    stream.close()


def test_the_wait_for_data_is_told(tmp_path, caplog):
    data = load_data(of_folder(folder(tmp_path)))
    with caplog.at_level(logging.INFO, logger="featcx"):
        list(batches(data, data.probe, batch_size=3, device=CPU))
    assert "8 images decoded in" in caplog.text
    assert "waiting for data" in caplog.text
