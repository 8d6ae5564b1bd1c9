from pathlib import Path

import numpy as np
import pytest

from featcx_core.images.data import (
    load_data,
)
from tests.core.images.sources import folder, of_folder, picture


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_damaged_in_its_middle_is_left_out(tmp_path, progressive):
    folder(tmp_path, ending="jpg")
    chance = np.random.default_rng(1)
    for i in range(6):
        place = tmp_path / "cat" / f"{i:03}.jpg"
        picture(chance, (64, 64)).resize((12, 10)).save(place, progressive=progressive)
        content = bytearray(place.read_bytes())
        middle = (content.rindex(b"\xff\xda") + len(content)) // 2
        if i < 3:
            content[middle : middle + 8] = b"\xff\xd8\xff\xc4" * 2
        place.write_bytes(content)
    data = load_data(of_folder(tmp_path, broken_share=0.5))
    assert [Path(name).stem for name in data.broken] == ["000", "001", "002"]
    data.images[np.concatenate(list(data.split.values()))]


def test_a_jpeg_with_bytes_after_its_end_is_whole(tmp_path):
    folder(tmp_path, ending="jpg")
    with (tmp_path / "cat" / "000.jpg").open("ab") as file:
        file.write(b"a camera's own notes")
    assert load_data(of_folder(tmp_path)).broken == ()
